"""Does MLflow's store answer? Asked before MLflow is, whose own engines try for minutes."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

__all__ = ["database_file", "silence_of"]

_TIMEOUT = 5.0
"""Seconds within which a server must answer."""

_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

_AWAY = {502, 503, 504}
"""What a gateway says of a server that is away; any other status is an answer."""


def silence_of(uri: str) -> str | None:
    """Return in a few words why nothing can be recorded there now, or ``None`` where nothing speaks against it.

    Args:
        uri: As ``MLFLOW_TRACKING_URI``.
    """
    scheme = urllib.parse.urlsplit(uri).scheme.partition("+")[0]
    if scheme in ("http", "https"):
        return _of_server(uri)
    if scheme == "sqlite":
        return _of_file(uri)
    if scheme in _PORTS:
        return _of_database(uri, _PORTS[scheme])
    return None


def database_file(uri: str) -> Path | None:
    """Return the file of a database of SQLite; ``None`` where it is in memory, or another kind of store.

    Args:
        uri: As ``MLFLOW_TRACKING_URI``.
    """
    if urllib.parse.urlsplit(uri).scheme.partition("+")[0] != "sqlite":
        return None
    path = Path(uri.partition("://")[2].partition("?")[0].removeprefix("/"))
    return path if path.name and path.name != ":memory:" else None


def _of_server(uri: str) -> str | None:
    # Only whether it answers: MLflow itself looks at its certificate.
    context = ssl._create_unverified_context()  # noqa: S323
    # A name and a password before the host are for MLflow; urllib would take them for a part of the name.
    address = re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=_TIMEOUT, context=context):  # noqa: S310
            return None
    except urllib.error.HTTPError as answer:
        answer.close()
        return f"it says {answer.code} {answer.reason}" if answer.code in _AWAY else None
    except urllib.error.URLError as error:
        return _words(error.reason)
    except (OSError, ValueError) as error:
        return _words(error)


def _of_file(uri: str) -> str | None:
    path = database_file(uri)
    if path is None:
        return None
    holder = path if path.exists() else path.parent
    if not os.access(holder, os.W_OK):
        return f"{holder} is not there or may not be written"
    if not path.exists():
        return None
    try:
        # For writing: where a killed process was in the middle of it, SQLite takes that back before anybody may read.
        with contextlib.closing(sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=rw", uri=True)) as database:
            database.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error as error:
        # One that is only busy will do.
        return None if "locked" in str(error) else _words(error)
    return None


def _of_database(uri: str, port: int) -> str | None:
    place = urllib.parse.urlsplit(uri)
    if not place.hostname or place.hostname.startswith("/"):
        return None
    try:
        socket.create_connection((place.hostname, place.port or port), timeout=_TIMEOUT).close()
    except (OSError, ValueError) as error:
        return _words(error)
    return None


def _words(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
