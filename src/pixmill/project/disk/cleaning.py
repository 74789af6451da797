"""Delete scratch files while nothing runs; suggest commands for the data of DVC and MLflow."""

import contextlib
import json
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from pixmill.core.errors import LockedError
from pixmill.core.files.workspace import STAGES, Workspace
from pixmill.core.files.writing import hold_lock
from pixmill.core.repository.dvc import cache_folder, read_listing, read_record
from pixmill.tracking.store import database_file, tracking_uri, without_password
from pixmill.train.checkpoints import pinned_keys

_DVC_GC = "dvc gc --workspace --all-commits --all-experiments"
"""Keeps the files of the workspace, of all branches, tags and remotes, and of experiments."""

_IDLE_SECONDS = 7 * 86_400
"""Age of an unused cache from which it is deleted, unless it is the newest of its kind."""

_ABANDONED_SECONDS = 86_400
"""Age from which a partially written file counts as abandoned."""

_CACHES = (
    "train/features/[!.]*.sqlite",
    "train/features/[!.]*.tflite",
    "validate/[!.]*.sqlite",
    "review/features/[!.]*.sqlite",
)


@contextlib.contextmanager
def find_scratch(workspace: Workspace) -> Iterator[list[Path]]:
    """Yield the scratch files and folders that can be deleted; no stage starts during the block.

    Args:
        workspace: Workspace of the project.

    Raises:
        LockedError: A stage, a sweep, DVC or another cleaning is running.
    """
    then = "wait for it or stop it, then: the same command"
    home = workspace.home.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            command = [Path(word).name for word in process.cmdline()[:3]]
            if "dvc" in command and Path(process.cwd()).is_relative_to(home):
                raise LockedError(
                    f"DVC is running (process {process.pid}: {' '.join(process.cmdline())})",
                    next=then,
                )
    with contextlib.ExitStack() as held:
        for stage in STAGES:
            held.enter_context(workspace.lock(stage))
        for folder, reason in (
            ("record", "runs are being sent to MLflow"),
            ("sweep", "a sweep is running"),
        ):
            held.enter_context(
                hold_lock(workspace.scratch(folder) / "lock", LockedError(reason, next=then))
            )
        yield stale_scratch(workspace.home)


def advice(workspace: Workspace) -> list[str]:
    """Return suggestions and commands that delete unneeded data of DVC and MLflow.

    Args:
        workspace: Workspace of the project.
    """
    root = workspace.root
    lines = []
    if (cache := cache_folder(root)) is not None:
        record = read_record(root)
        if not cache.resolve().is_relative_to(root.resolve()):
            lines.append(
                f"DVC's cache, {cache.resolve()}, may be shared with other projects: see dvc gc "
                "--projects"
            )
        elif record and (root / "data").exists() and read_listing(cache, record["md5"]) is None:
            # `dvc gc` would delete the images, of which data/ may only have links.
            lines.append(
                "DVC's cache lacks the file list of data.dvc, without which dvc gc would delete "
                "the images: "
                "dvc pull data.dvc, or if data/ is right: dvc add data"
            )
        else:
            lines.append(
                "To delete files from DVC's cache that no commit or experiment needs (first apply "
                "or drop stashes "
                f"and queued experiments, which it ignores):\n  {_DVC_GC}"
            )
    uri = tracking_uri(workspace)
    if (file := database_file(uri)) is not None and file.exists():
        uri = without_password(uri)
        lines.append(
            "To purge runs and models that you deleted in MLflow:\n"
            f"  mlflow gc --backend-store-uri {uri} --tracking-uri {uri}"
        )
    return lines


def stale_scratch(home: Path) -> list[Path]:
    """Return the scratch files and folders that can be deleted while no stage and no DVC runs.

    - finished trainings, except the newest and those pinned by a sweep; DVC's cache has their
      results
    - caches of features and measurements unused for a week, except the newest of each kind
    - pages of ``dvc plots``, partially written files, and folders of killed temporary experiments

    Journals, pending runs and backups stay.

    Args:
        home: Root of the original repository.
    """
    scratch = home / ".pixmill"
    temporary = home / ".dvc/tmp/exps"
    now = time.time()
    found = [*_finished(scratch / "train/checkpoints"), *scratch.glob("plots")]
    for pattern in _CACHES:
        caches = _newest_first(scratch.glob(pattern))[1:]
        found += [path for path in caches if now - _modified(path) > _IDLE_SECONDS]
    found += [
        path for path in scratch.rglob(".part-*") if now - _modified(path) > _ABANDONED_SECONDS
    ]
    found += [*temporary.glob("tmp*"), *temporary.glob("standalone/tmp*")]
    return found


def _finished(folder: Path) -> Iterator[Path]:
    """Yield the files of finished trainings, including folds and curves."""
    trainings = defaultdict(list)
    pinned = pinned_keys(folder)
    for path in _newest_first(folder.glob("[!.]*.npz")):
        trainings[path.name.partition(".")[0]].append(path)
    for key, files in list(trainings.items())[1:]:
        if (
            key not in pinned
            and (folder / f"{key}.npz") in files
            and _is_finished(folder / f"{key}.npz")
        ):
            yield from files


def _is_finished(path: Path) -> bool:
    try:
        with np.load(path) as file:
            return bool(json.loads(file["record"].tobytes())["finished"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return False  # An unreadable file may be an unfinished training.


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=_modified, reverse=True)


def _modified(path: Path) -> float:
    """Return the modification time in seconds since 1970; a deleted file counts as new."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
