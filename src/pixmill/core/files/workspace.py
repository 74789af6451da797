"""The folders of a run: where its outputs lie, where its scratch lies, and who may write there."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import LockedError
from pixmill.core.files.writing import hold_lock, remove_temporary


@dataclass(frozen=True)
class Workspace:
    """The two roots of a run: where its outputs lie, and where its scratch lies.

    They differ under ``dvc exp run --temp``: outputs belong to the temporary copy (the current folder), scratch to the
    repository it was made from (``DVC_ROOT``), so that caches and journals are shared.

    Args:
        root: The folder that holds ``params.yaml``; every artifact is relative to it.
        home: The repository's own root; ``.pixmill/`` and the default MLflow database lie there.
    """

    root: Path
    home: Path

    @classmethod
    def current(cls) -> Workspace:
        """Return the workspace of this process, from the current folder and ``DVC_ROOT``."""
        root = Path.cwd()
        return cls(root=root, home=Path(os.environ.get("DVC_ROOT") or root))

    def scratch(self, stage: str) -> Path:
        """Return ``.pixmill/<stage>``, made if absent; deleting it while nothing runs changes no result."""
        folder = self.home / ".pixmill" / stage
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sweep(self, stage: str) -> None:
        """Remove what a killed run of a stage left half-written: DVC and Git would take it for a result.

        Call it only while holding the stage's lock.
        """
        for folder in ("artifacts", "plots"):
            remove_temporary(self.root / folder / stage)
        # Other stages may be writing beside it.
        remove_temporary(self.root / "reports", f"-{stage}.html")
        remove_temporary(self.root / "metrics", f"-{stage}.json")

    @contextlib.contextmanager
    def lock(self, stage: str) -> Iterator[None]:
        """Lock this workspace, so that no other process writes this workspace's outputs of a stage.

        The operating system drops the lock when its holder dies, however it dies.

        Raises:
            LockedError: Another process holds it.
        """
        name = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:16]
        refusal = LockedError(
            f"another process is running the stage '{stage}' in {self.root}",
            next=f"wait for it or stop it, then: dvc repro {stage}",
        )
        with hold_lock(self.scratch(stage) / f"{name}.lock", refusal):
            yield
