"""Folders that several test processes share, and the first one creates."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

__all__ = ["make_once"]


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a read-only folder; the first process that needs it creates it.

    Args:
        factory: Pytest's factory of temporary folders.
        name: Name of the folder.
        make: Function that fills the empty folder.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once" / name
    complete = folder.with_name(f"{name}.complete")
    folder.parent.mkdir(exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{name}.lock")):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder
