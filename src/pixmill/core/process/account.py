"""Name and home folder of a user without an entry in /etc/passwd, as in a container with `--user`."""

import getpass
import os
import tempfile
from pathlib import Path

ADDED: dict[str, str] = {}
"""Variables that :func:`complete_account` has set; DVC and MLflow fail without them."""


def complete_account() -> None:
    """Set ``HOME`` and ``USER`` for this process and its children where the system knows neither."""
    try:
        Path.home()
    except RuntimeError:
        ADDED["HOME"] = tempfile.gettempdir()
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):
        ADDED["USER"] = "unknown"
    os.environ.update(ADDED)
