"""Look at what a run talks to: the browser, MLflow and the network."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.doctor.finding import Finding, State
from pixmill.errors import BrowserError

__all__ = ["look_at_browser", "look_at_mlflow", "look_at_network"]

_SECONDS = 3.0
_PUBLIC = ("example.com", 80)
"""A host that is there to be an example (RFC 2606)."""


def look_at_browser(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which browser and driver a run would start, or whether the grid answers.

    Args:
        environ: Where ``PIXMILL_BROWSER``, ``PIXMILL_DRIVER`` and ``PIXMILL_WEBDRIVER_URL`` may stand.
    """
    from pixmill.browser import Grid, choose_browser

    try:
        browser = choose_browser(environ=environ)
    except BrowserError as error:
        yield Finding("browser", State.BAD, error.message, next=error.next)
        return
    if not isinstance(browser, Grid):
        yield Finding("browser", State.OK, f"{browser.binary} {browser.version}")
        yield Finding("driver", State.OK, f"{browser.driver} {browser.driver_version}")
    elif lack := _lack_of_answer(f"{browser.url.rstrip('/')}/status"):
        yield Finding(
            "browser", State.BAD, f"{browser.url} {lack}", next="start the grid, or unset PIXMILL_WEBDRIVER_URL"
        )
    else:
        yield Finding("browser", State.OK, f"{browser.kind.title} of the grid {browser.url}")


def look_at_mlflow(root: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell whether runs can be recorded where they are meant to be.

    Args:
        root: The project's folder, which holds the database where no other place is named.
        environ: Where ``MLFLOW_TRACKING_URI`` may stand.
    """
    from pixmill.tracking.probe import database_file
    from pixmill.tracking.store import shown

    uri = environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root / 'mlflow.db').as_posix()}"
    scheme = urlsplit(uri).scheme
    if scheme in {"http", "https"}:
        # A name and a password before the host are for MLflow; urllib would take them for a part of the name.
        if lack := _lack_of_answer(f"{shown(uri).rstrip('/')}/health"):
            yield Finding(
                "MLflow",
                State.WARNING,
                f"{shown(uri)} {lack}: a training would not be recorded",
                next="start it: mlflow server, or keep runs here: unset MLFLOW_TRACKING_URI",
            )
        else:
            yield Finding("MLflow", State.OK, shown(uri))
    elif (path := database_file(uri)) is not None:
        yield _database(root / path, shown(uri))
    else:
        yield Finding("MLflow", State.OK, f"{shown(uri)} (to try it: mlflow experiments search)")


def look_at_network() -> Iterator[Finding]:
    """Tell whether the public network is there: pages of the web need it, the bundled shop does not."""
    reached: list[bool] = []
    # A look-up has no limit of its own; one that never ends ends with the process.
    attempt = threading.Thread(target=lambda: reached.append(_reaches(_PUBLIC)), daemon=True)
    attempt.start()
    attempt.join(_SECONDS + 1)
    if True in reached:
        yield Finding("network", State.OK, "the public network is there")
    else:
        yield Finding(
            "network",
            State.WARNING,
            f"{_PUBLIC[0]} is not reached: only the bundled shop and local sources can be scraped",
            next="mend the connection, then: pixmill doctor",
        )


def _database(path: Path, uri: str) -> Finding:
    import sqlite3

    holder = path if path.exists() else path.parent
    if not os.access(holder, os.W_OK):
        return Finding("MLflow", State.BAD, f"{holder} may not be written", next=f"sudo chown $USER '{holder}'")
    if path.exists():
        try:
            # For writing: what a killed process was in the middle of is taken back before anybody may read.
            place = f"{path.resolve().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(place, uri=True, timeout=_SECONDS)) as database:
                database.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            return Finding("MLflow", State.BAD, f"{path} cannot be read: {error}", next=f"mv '{path}' '{path}.broken'")
    return Finding("MLflow", State.OK, uri)


def _lack_of_answer(url: str) -> str | None:
    """Return what is wrong with an HTTP server that should be well, or ``None``."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_SECONDS):  # noqa: S310 (a person's own server, http or https)
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"answers {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"does not answer: {getattr(error, 'reason', error)}"


def _reaches(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=_SECONDS).close()
    except OSError:
        return False
    return True
