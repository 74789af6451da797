"""What takes seconds to make and is only read: one of the processes that run tests makes it for all of them."""

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

__all__ = ["made_once"]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that all processes share; the first that needs it makes it.

    Args:
        factory: Pytest's own, of the session.
        name: The folder's name.
        make: Makes the folder at a path, which it must not remember.
    """
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with filelock.FileLock(f"{place}.lock"):
        if not place.exists():
            unfinished = factory.mktemp("unfinished") / name
            make(unfinished)
            unfinished.rename(place)
    return place
