"""The folders of a run and its locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import LockedError
from pixmill.core.files.writing import hold_lock, remove_temporary

STAGES = ("scrape", "validate", "split", "train", "evaluate")
"""The stages in the order in which they run."""


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
        folder = self.home / ".pixmill" / stage
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
