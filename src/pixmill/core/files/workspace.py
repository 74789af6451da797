"""The folders of a run and its locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import DataError, LockedError
from pixmill.core.files.writing import hold_lock, place_within, remove_temporary

STAGES = ("scrape", "validate", "split", "train", "evaluate")
"""The stages in the order in which they run."""

_OWN_FOLDERS = (".pixmill", "inbox")
"""Folders of a project in which commands write and delete by themselves."""

_UNSEARCHED = re.compile("[0-9a-f]{2}|profile-.*")
"""Folders without links that matter: files named by hash are replaced as a whole, and browsers make
links in their profiles, which are only deleted."""


def refuse_links(root: Path) -> None:
    """Refuse symbolic links in ``.pixmill/`` and ``inbox/``, which Pixmill never makes.

    Other people's branches may contain some, and would have files written and deleted elsewhere.

    Args:
        root: Project folder.

    Raises:
        DataError: There is one.
    """
    for name in _OWN_FOLDERS:
        folder = root / name
        for path in [folder] if folder.is_symlink() else _links(folder):
            raise DataError(
                f"{path} is a symbolic link, and files in {name}/ are written and deleted",
                next=f"rm {shlex.quote(str(path))}, then: the same command",
            )


def _links(folder: Path) -> Iterator[Path]:
    waiting = [f"{folder}"]
    while waiting:
        # Another process may be deleting it, or it may be a file.
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir() and not _UNSEARCHED.fullmatch(entry.name):
                    waiting.append(entry.path)


@dataclass(frozen=True)
class Workspace:
    """The folders of outputs and of scratch files.

    They differ under ``dvc exp run --temp``: outputs go to the temporary copy (the current folder),
    scratch files to the original repository (``DVC_ROOT``), which shares caches and journals.

    Args:
        root: Folder with ``params.yaml`` and all artifacts.
        home: Root of the original repository, with ``.pixmill/`` and the default MLflow database.
    """

    root: Path
    home: Path

    @classmethod
    def current(cls) -> Workspace:
        """Return the workspace of this process, from the current folder and ``DVC_ROOT``."""
        root = Path.cwd()
        return cls(root=root, home=Path(os.environ.get("DVC_ROOT") or root))

    def scratch(self, stage: str) -> Path:
        """Return ``.pixmill/<stage>``, created if missing; it may be deleted while nothing runs."""
        folder = place_within(self.home / ".pixmill" / stage, self.home)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sweep(self, stage: str) -> None:
        """Remove partial files of a killed run of the stage, while holding its lock."""
        for folder in ("artifacts", "plots"):
            remove_temporary(self.root / folder / stage)
        # Other stages may be writing to the same folders.
        remove_temporary(self.root / "reports", f"-{stage}.html")
        remove_temporary(self.root / "metrics", f"-{stage}.json")

    @contextlib.contextmanager
    def lock(self, stage: str) -> Iterator[None]:
        """Lock the outputs of a stage; the lock is released when the process dies.

        Raises:
            LockedError: Another process holds it.
        """
        name = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:16]
        refusal = LockedError(
            f"another process is running the stage '{stage}' in {self.root}",
            next="wait for it or stop it, then: the same command",
        )
        with hold_lock(self.scratch(stage) / f"{name}.lock", refusal):
            yield
