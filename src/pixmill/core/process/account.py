"""Name and home folder of a user without an entry in /etc/passwd, as in some containers."""

import getpass
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

ADDED: dict[str, str] = {}
"""Variables that :func:`complete_account` has set; DVC and MLflow fail without them."""


def complete_account() -> None:
    """Set ``HOME`` and ``USER`` for this process and its children if the system has neither."""
    try:
        Path.home()
    except RuntimeError:
        ADDED["HOME"] = str(_own_folder())
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):
        ADDED["USER"] = "unknown"
    os.environ.update(ADDED)


def _own_folder() -> Path:
    """Return a temporary folder of this user alone: Git runs commands of ``~/.gitconfig``."""
    folder = Path(tempfile.gettempdir(), f"pixmill-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if found.st_uid == os.getuid() and found.st_mode == stat.S_IFDIR | 0o700:
        return folder
    return Path(tempfile.mkdtemp(prefix="pixmill-"))
