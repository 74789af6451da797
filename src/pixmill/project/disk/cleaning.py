"""Remove scratch while nothing runs, and name the commands of DVC and MLflow for what they keep."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from pixmill.core.errors import LockedError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import hold_lock
from pixmill.core.process.progress import track
from pixmill.core.repository.dvc import cache_folder, read_listing, read_record
from pixmill.project.disk.scratch import stale_scratch
from pixmill.tracking.store import database_file, tracking_uri, without_password

_STAGES = ("scrape", "validate", "split", "train", "evaluate")

_DVC_GC = "dvc gc --workspace --all-commits --all-experiments"
"""Keeps what the workspace, every commit of a branch, tag or remote, and every experiment refers to."""


@contextlib.contextmanager
def find_scratch(workspace: Workspace) -> Iterator[list[Path]]:
    """Yield the files and folders that :func:`remove` may have; no stage starts during the block.

    Args:
        workspace: The project's workspace.

    Raises:
        LockedError: A stage, a sweep, DVC or another cleaning is running.
    """
    then = "wait for it or stop it, then: the same command"
    home = workspace.home.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            command = [Path(word).name for word in process.cmdline()[:3]]
            if "dvc" in command and Path(process.cwd()).is_relative_to(home):
                raise LockedError(f"DVC is running (process {process.pid}: {' '.join(process.cmdline())})", next=then)
    with contextlib.ExitStack() as held:
        for stage in _STAGES:
            try:
                held.enter_context(workspace.lock(stage))
            except LockedError as error:
                raise LockedError(error.message, next=then) from None
        for folder, what in (("record", "another sending of runs is in progress"), ("sweep", "a sweep is running")):
            held.enter_context(hold_lock(workspace.scratch(folder) / "lock", LockedError(what, next=then)))
        yield stale_scratch(workspace.home)


def remove(paths: Sequence[Path]) -> None:
    """Remove scratch; after a kill the next run removes what is left.

    Args:
        paths: As :func:`find_scratch` yields them, within its block.
    """
    for path in track(paths, "Delete scratch", len(paths), unit="file"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def advice(workspace: Workspace) -> list[str]:
    """Return a sentence for what DVC and MLflow keep, with the command that deletes what nothing needs of it.

    Args:
        workspace: The project's workspace.
    """
    root, lines = workspace.root, []
    if (cache := cache_folder(root)) is not None:
        record = read_record(root)
        if not cache.resolve().is_relative_to(root.resolve()):
            lines.append(f"DVC's cache, {cache.resolve()}, may be shared with other projects: see dvc gc --projects")
        elif record and (root / "data").exists() and read_listing(cache, record["md5"]) is None:
            # `dvc gc` would take the images for unneeded, to which data/ may have no more than links.
            lines.append(
                "DVC's cache lacks the list of files that data.dvc names, without which dvc gc deletes the images: "
                "dvc pull data.dvc, or if data/ is as it should be: dvc add data"
            )
        else:
            lines.append(
                f"DVC's cache, of what no commit or experiment needs (first apply or drop stashes and queued "
                f"experiments, which it does not know):\n  {_DVC_GC}"
            )
    uri = tracking_uri(workspace)
    if (file := database_file(uri)) is not None and file.exists():
        uri = without_password(uri)
        lines.append(
            "MLflow, of runs and models that you deleted on its page:\n"
            f"  mlflow gc --backend-store-uri {uri} --tracking-uri {uri}"
        )
    return lines
