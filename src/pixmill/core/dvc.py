"""DVC, run for a project as a command of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pixmill.core.errors import DataError

__all__ = ["dvc"]


def dvc(root: Path, *words: str) -> None:
    """Run this interpreter's DVC, whose progress and errors go to standard error.

    Args:
        root: The project's folder.
        words: The command, such as ``add data``.

    Raises:
        DataError: It failed.
    """
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
    if done.returncode:
        text = " ".join(("dvc", *words))
        raise DataError(f"`{text}` failed; its message is above", next=text)
