"""Folders that several processes of the tests read, and the first of them makes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

__all__ = ["make_once"]


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that nothing may change; the first process that asks for it makes it where it stays.

    Args:
        factory: Pytest's own, which knows where all processes may write.
        name: The folder's name.
        make: Fills the folder, which exists and is empty.
    """
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once" / name
    whole = folder.with_name(f"{name}.whole")
    folder.parent.mkdir(exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{name}.lock")):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder
