"""What a node of a Ray cluster does: it runs batches in a guarded process, once it has what their results depend on.

Ray's own process imports little, and unpickles neither pass, rows nor results.
"""

import contextlib
import os
import pickle
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path

from pixmill.compute.pool import Pool
from pixmill.compute.stored import PendingRow, fetch_files
from pixmill.compute.worker import PickledPass, RemoteError
from pixmill.compute.worker_process import Loss, RowLimits
from pixmill.core.arithmetic import instruction_set
from pixmill.core.errors import PixmillError

_ENTRIES = 1000
"""Entries of a folder that are looked at for a file."""

_PROCESSOR = "processor"

Witness = tuple[str, int | None]
"""A file or folder, and the file's bytes: where a node sees it, it sees what lies beside it."""


@dataclass(frozen=True)
class NodeRequirements:
    """What a node must have, so that its results are those of the machine that asks for them.

    Args:
        versions: As :func:`versions` returns them there.
        witnesses: By folder, what a node that sees the folder sees.
    """

    versions: Mapping[str, str]
    witnesses: Mapping[str, Sequence[Witness]]


@dataclass(frozen=True)
class PassSpec:
    """What the batches of a pass have in common.

    Args:
        parcel: The pass.
        limits: Limits per row, if any.
        needs: What a node must have to run it.
    """

    parcel: PickledPass
    limits: RowLimits | None
    needs: NodeRequirements


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, ``none`` for one that is not installed, and the processor's instruction set."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {_PROCESSOR: instruction_set()}


def witnesses(folder: Path) -> list[Witness]:
    """Return a folder and some file in it, at any depth: what a node must see of it."""
    folder = folder.absolute()
    file = _some_file(folder)
    return [(str(folder), None), *([] if file is None else [(str(file), file.stat().st_size)])]


def _some_file(folder: Path) -> Path | None:
    """Return a file in a folder, rather in a folder of it: there are the images, whose bytes never change."""
    with os.scandir(folder) as entries:
        some = list(islice(entries, _ENTRIES))
    for entry in some:
        # Some may not be read, such as lost+found; links may go round in a circle.
        with contextlib.suppress(PermissionError):
            if entry.is_dir(follow_symlinks=False) and (found := _some_file(Path(entry))):
                return found
    return next((Path(entry) for entry in some if entry.is_file()), None)


def find_lack(needs: bytes) -> bytes:
    """Return what this node lacks.

    Args:
        needs: :class:`NodeRequirements`, pickled.

    Returns:
        The error that says so, or ``None``, pickled.
    """
    return pickle.dumps(_lack(pickle.loads(needs)))  # noqa: S301 (from the machine that this node works for)


def _lack(needs: NodeRequirements) -> PixmillError | None:
    import ray

    here = ray.util.get_node_ip_address()
    ours = versions(name for name in needs.versions if name != _PROCESSOR)
    if other := {name: version for name, version in needs.versions.items() if ours[name] != version}:
        named = ", ".join(f"{name} {ours[name]} instead of {version}" for name, version in other.items())
        wanted = [f"{name}=={version}" for name, version in other.items() if name != _PROCESSOR and version != "none"]
        extra = [name for name, version in other.items() if version == "none"]
        cures = [f"pip install {' '.join(wanted)}"] * bool(wanted) + [f"pip uninstall {' '.join(extra)}"] * bool(extra)
        cure = f"run there: {' && '.join(cures)}" if cures else "give the cluster nodes of one kind"
        return PixmillError(f"the Ray node {here} would give other results: it has {named}", next=cure)
    return _find_unseen_folder(needs)


def _find_unseen_folder(needs: NodeRequirements) -> PixmillError | None:
    """Return which shared folder this node does not see."""
    import ray

    here = ray.util.get_node_ip_address()
    for folder, seen in needs.witnesses.items():
        if not all(_sees(*each) for each in seen):
            return PixmillError(
                f"the Ray node {here} does not see {folder} as this machine does",
                next="mount the shared folder there, or stop the node; then run the same command again: finished work "
                "is kept",
            )
    return None


def _sees(path: str, size: int | None) -> bool:
    try:
        found = Path(path).stat()
    except OSError:
        return False
    return size is None or size == found.st_size


_POOLS: dict[str, tuple[Pool, NodeRequirements]] = {}
"""The guarded process of this process's last pass and what that needs, by its order."""


def run_batch(name: str, order: bytes, rows: Sequence[bytes | PendingRow]) -> tuple[list[bytes | Loss], bytes | None]:
    """Run a batch of pickled rows.

    Args:
        name: A name for the order, which may hold a network of many megabytes and is therefore no key.
        order: An :class:`PassSpec`, pickled.
        rows: The rows, each pickled; the files of some are fetched here.

    Returns:
        The pickled result of each row, or why it was given up; and, if the pass raised something at the row after them,
        the exception and its traceback, pickled.
    """
    results: list[bytes | Loss] = []
    try:
        # Files that wait in the guarded process would count against its memory.
        at_once = 1 if any(isinstance(row, PendingRow) for row in rows) else len(rows)
        pool, needs = _pool(name, order)
        for result in pool.run(fetch_files(rows), at_once, lambda _, loss: loss):
            results.append(result)
        # Of a folder that vanished meanwhile, images would be missing.
        if lacking := _find_unseen_folder(needs):
            results.clear()
            raise lacking
    except BaseException as error:
        while _POOLS:
            _POOLS.popitem()[1][0].kill()
        if not isinstance(error, Exception):
            raise  # The batch was cancelled.
        cause = error.__cause__
        text = cause.args[0] if isinstance(cause, RemoteError) else "".join(traceback.format_exception(error))
        return results, pickle.dumps((error, text))
    return results, None


def _pool(name: str, content: bytes) -> tuple[Pool, NodeRequirements]:
    if name not in _POOLS:
        while _POOLS:
            _POOLS.popitem()[1][0].kill()
        order: PassSpec = pickle.loads(content)  # noqa: S301 (from the machine that this node works for)
        if lacking := _lack(order.needs):
            raise lacking
        _POOLS[name] = Pool(order.parcel, 1, order.limits), order.needs
    return _POOLS[name]
