"""The file that says where a private server of a project listens, for a second start of the same command."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pixmill.core.files.writing import replacing
from pixmill.core.process.progress import is_same_process


def write_address(path: Path, *, address: str, about: Mapping[str, Any]) -> None:
    """Write where this process listens; nobody but its user may read it.

    Args:
        path: The file.
        address: The address, with its token.
        about: What is served, as JSON can say it; :func:`ask_running` looks for the same.
    """
    process = psutil.Process()
    content = {"pid": process.pid, "started": process.create_time(), "address": address, "about": about}
    with replacing(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        temporary.write_text(json.dumps(content), encoding="utf-8")


def remove_address(path: Path, *, address: str) -> None:
    """Remove the file, unless another server has written it since."""
    if _read(path).get("address") == address:
        path.unlink(missing_ok=True)


def ask_running(path: Path, about: Mapping[str, Any]) -> str | None:
    """Return the address of the server that runs already; ``None`` where none does, or it serves something else.

    Args:
        path: The file.
        about: What is to be served.
    """
    content = _read(path)
    if content.get("about") != about or not is_same_process(content["pid"], content["started"]):
        return None
    address: str = content["address"]
    return address


def _read(path: Path) -> dict[str, Any]:
    """Return what the file says; nothing where it is missing or malformed."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"pid", "started", "address", "about"} <= content.keys() else {}
