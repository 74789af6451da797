"""Find what nothing needs of a project's files, and remove it."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from pixmill.clean.commits import all_named, has_imports, has_moved, only_cleaning, other_worktrees, versions
from pixmill.clean.dvc_cache import remove_unneeded, unneeded_files
from pixmill.clean.models import RecordedModel, delete_model, owns_store, unneeded_models
from pixmill.clean.scratch import stale_scratch
from pixmill.clean.usage import size_of
from pixmill.core.dvc import cache_folder, read_listing, read_record
from pixmill.core.errors import DataError, LockedError
from pixmill.core.files import file_digest, hold_lock
from pixmill.core.progress import track
from pixmill.core.words import count
from pixmill.core.workspace import Workspace
from pixmill.state.stage_inputs import hashes_of, stages_of, workspace_stages

_STAGES = ("scrape", "validate", "split", "train", "evaluate")

_LOCKS = ":(top,glob)**/dvc.lock"
"""Those of all folders: the project may have been in another one."""

_TRAINED, _WEIGHTS = "artifacts/train", "model.weights.h5"


@dataclass
class Unneeded:
    """What nothing needs.

    Attributes:
        files: In DVC's cache.
        models: In MLflow.
        scratch: Files and folders.
        kept: Why nothing is removed from a part, by the name that it has in ``usage.PLACES``.
        sizes: Bytes that become free, by the same names.
    """

    files: list[Path] = field(default_factory=list)
    models: list[RecordedModel] = field(default_factory=list)
    scratch: list[Path] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def describe(self) -> dict[str, str]:
        """Return what goes from each part, or why nothing does."""
        said = dict(self.kept)
        if self.files:
            newest = datetime.fromtimestamp(max(path.stat().st_mtime for path in self.files))
            said["DVC's cache"] = f"{count(len(self.files), 'file')}, the newest of {newest:%Y-%m-%d %H:%M}"
        elif self.sizes.get("DVC's cache"):
            said.setdefault("DVC's cache", "folders of killed experiments")
        if self.models:
            runs = len({model.run for model in self.models})
            said["MLflow"] = f"{count(len(self.models), 'model')} of {count(runs, 'training')}; the runs stay"
        if self.sizes.get(".pixmill/"):
            said[".pixmill/"] = "finished trainings, idle caches, what killed processes left"
        return said


@contextlib.contextmanager
def find_unneeded(workspace: Workspace) -> Iterator[Unneeded]:
    """Yield what neither the workspace nor any commit, experiment, stash, registered version or pending run needs.

    No stage starts during the block, in which :func:`remove` may be called.

    Args:
        workspace: The project's workspace.

    Raises:
        LockedError: A stage, DVC or another cleaning is running.
        DataError: The project is no repository of Git and DVC, or a commit cannot be read.
        ParamsError: A ``dvc.lock`` is malformed.
        PixmillError: MLflow cannot be read.
    """
    root = workspace.root
    with only_cleaning(root), _nothing_running(workspace), all_named(root):
        if (cache := cache_folder(root)) is None:
            raise DataError(f"{root} is no repository of DVC", next="cd to the project's folder")
        found = Unneeded()
        if not cache.resolve().is_relative_to(root.resolve()):
            found.kept["DVC's cache"] = f"left alone: {cache.resolve().parents[1]} may be shared with other projects"
        elif other := next((path for path in other_worktrees(root) if _has_cache(path, cache)), None):
            found.kept["DVC's cache"] = f"left alone: the worktree {other} has the same"
        elif has_imports(root):
            found.kept["DVC's cache"] = "left alone: `dvc gc` would remove what came by `dvc import`"
        elif has_moved(root):
            found.kept["DVC's cache"] = "left alone: earlier commits have a project in another folder"
        else:
            _require_list(root, cache)
            found.files = unneeded_files(root)
        if not owns_store(workspace):
            found.kept["MLflow"] = "left alone: it is not in this folder"
        else:
            found.models = unneeded_models(workspace, *needed_trainings(root, cache))
        found.scratch = stale_scratch(workspace.home)
        within = [path for path in found.scratch if (workspace.home / ".dvc") in path.parents]
        found.sizes = {
            # What has another name elsewhere (a hard link) stays on the disk.
            "DVC's cache": sum(path.stat().st_size for path in found.files if path.stat().st_nlink == 1)
            + sum(map(size_of, within)),
            "MLflow": sum(size_of(model.folder) for model in found.models),
            ".pixmill/": sum(size_of(path) for path in found.scratch if path not in within),
        }
        yield found


def remove(workspace: Workspace, unneeded: Unneeded) -> None:
    """Remove it: first from DVC's cache, which removes nothing if a commit cannot be read.

    After a kill at any moment the next run removes what is left.

    Args:
        workspace: The project's workspace.
        unneeded: As :func:`find_unneeded` yields it, within its block.

    Raises:
        PixmillError: DVC or MLflow refuses.
    """
    if unneeded.files:
        remove_unneeded(workspace.root)
    for model in track(unneeded.models, "Delete models", len(unneeded.models), unit="model"):
        delete_model(workspace, model)
    for path in track(unneeded.scratch, "Delete scratch", len(unneeded.scratch), unit="file"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _nothing_running(workspace: Workspace) -> Iterator[None]:
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
        yield


def _has_cache(root: Path, cache: Path) -> bool:
    folder = cache_folder(root)
    return folder is not None and folder.resolve() == cache.resolve()


def _require_list(root: Path, cache: Path) -> None:
    """Refuse where ``dvc gc`` would take the images for unneeded, to which ``data/`` may have no more than links."""
    record = read_record(root)
    if record and (root / "data").exists() and read_listing(cache, record["md5"]) is None:
        raise DataError(
            "DVC's cache lacks the list of files that data.dvc names",
            next="dvc pull data.dvc, or if data/ is as it should be: dvc add data",
        )


def needed_trainings(root: Path, cache: Path) -> tuple[set[str], set[str]]:
    """Return what the workspace and all commits, experiments and stashes have of trainings.

    That is the md5 of the weights, and of ``artifacts/train`` where the cache does not tell the weights.

    Args:
        root: The project's folder.
        cache: DVC's cache.
    """
    weights, unknown = set(), set()
    if (path := root / _TRAINED / _WEIGHTS).exists():
        weights.add(file_digest(path, "md5"))
    for stages in (workspace_stages(root), *map(stages_of, versions(root, _LOCKS))):
        for digest in filter(None, (hashes_of(stage).get(_TRAINED) for stage in stages.values())):
            if listing := read_listing(cache, digest):
                weights.add(listing.get(_WEIGHTS, ""))
            else:
                unknown.add(digest)
    return weights, unknown
