"""The file that says where a private server of a project listens, for a second start of the same command."""

import contextlib
import http.client
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pixmill.core.files import replacing
from pixmill.core.stage_progress import is_same_process

_PATIENCE = 5.0
"""How long to wait for a server's answer, in seconds."""

_LONGEST = 64 << 10
"""Largest file that is read, in bytes."""


def write_address(path: Path, *, port: int, secret: str, about: Mapping[str, Any]) -> None:
    """Write where this process listens; nobody but its user may read it.

    Args:
        path: The file.
        port: The port on 127.0.0.1.
        secret: For which the server makes tickets.
        about: What is served, as JSON can say it; :func:`ask_running` looks for the same.
    """
    process = psutil.Process()
    content = {"pid": process.pid, "started": process.create_time(), "port": port, "secret": secret, "about": about}
    with replacing(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        temporary.write_text(json.dumps(content), encoding="utf-8")


def remove_address(path: Path, *, secret: str) -> None:
    """Remove the file, unless another server has written it since."""
    content = _read(path)
    if content is not None and content["secret"] == secret:
        path.unlink(missing_ok=True)


def ask_running(path: Path, about: Mapping[str, Any]) -> str | None:
    """Return an address that opens the page of the server that runs already, once.

    Args:
        path: The file.
        about: What is to be served.

    Returns:
        The address; ``None`` where no such server runs: there is no file of this user's, its process is dead, it does
        not answer, or it serves something else.
    """
    content = _read(path)
    if content is None or content["about"] != about or not is_same_process(content["pid"], content["started"]):
        return None
    connection = http.client.HTTPConnection("127.0.0.1", content["port"], timeout=_PATIENCE)
    try:
        with contextlib.closing(connection):
            connection.request("POST", "/ticket", headers={"Authorization": f"Bearer {content['secret']}"})
            answer = connection.getresponse()
            told = answer.read(_LONGEST).decode("ascii", "replace").strip()
    except (OSError, ValueError, http.client.HTTPException):  # A secret that no header can hold is a ValueError.
        return None
    return told if answer.status == 200 else None


def _read(path: Path) -> dict[str, Any] | None:
    """Return what the file says; ``None`` unless it is whole, this user's, and closed to all others."""
    try:
        # A pipe in its place must not be waited for.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(number, "rb") as file:
            status = os.fstat(number)
            # Whoever else could write it would choose the address that a browser opens.
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077):
                return None
            content = json.loads(file.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return None
    kinds = {"pid": int, "started": float, "port": int, "secret": str, "about": dict}
    is_whole = isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in kinds.items())
    return content if is_whole and 0 < content["port"] < 1 << 16 else None
