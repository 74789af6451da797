"""Profiles of browsers: one a session, and none left behind a session that died."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["own_profile"]


@contextlib.contextmanager
def own_profile(home: Path) -> Iterator[Path]:
    """Yield a path for a fresh profile below a folder, and remove it in the end with those of dead sessions.

    Args:
        home: The folder of all profiles; made if absent.
    """
    from filelock import FileLock

    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "profiles.lock"):
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix="profile-", dir=home))
        held = FileLock(folder / "lock")
        held.acquire()
    try:
        yield folder / "data"
    finally:
        held.release()
        # A process that is just dying may still write here; what it leaves goes with the next sweep.
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    from filelock import FileLock, Timeout

    for folder in home.glob("profile-*"):
        try:
            # The system drops a lock with its holder, however that dies, so a lock that is free marks the dead.
            with FileLock(folder / "lock", blocking=False):
                pass
        except Timeout:
            continue
        _end_users_of(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end_users_of(folder: Path) -> None:
    """End the browsers that a dead session left with its profile: Firefox outlives its driver."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(folder / "data") in word for word in process.cmdline()):
                process.kill()
