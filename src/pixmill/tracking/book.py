"""The records of one process: kept first, then sent."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixmill.tracking.sender import Sender
from pixmill.tracking.spool import Spool, trim
from pixmill.tracking.store import shown
from pixmill.tracking.sync import sync

__all__ = ["Book"]


class Book:
    """Hold the spool of a process and the thread that empties it.

    Args:
        place: ``.pixmill/tracking``.
        uri: Where runs are kept.
        home: The repository's own root.
        opening: What the first run is opened with: ``tags`` and, where known, ``name``, ``parent``, ``project``,
            ``weights``, ``experiment``, ``experiment_id``.
        older_first: Whether what earlier processes left is sent before, and not after, the first run is opened.
    """

    def __init__(
        self, place: Path, uri: str, *, home: Path, opening: Mapping[str, Any], older_first: bool = False
    ) -> None:
        self._place, self._uri, self._home = place, uri, home
        self._missed: dict[str, str] = {}
        self._runs = 0
        self._opening = dict(opening)
        self._own: tempfile.TemporaryDirectory[str] | None = None
        try:
            for key in trim(place):
                sys.stderr.write(f"warning: {key} waited for MLflow, and was deleted: .pixmill/tracking is full\n")
            self._spool = Spool.create(place)
        except OSError as error:
            self._missed["what is recorded"] = str(error)
            self._own = tempfile.TemporaryDirectory(prefix="pixmill-tracking-")
            self._spool = Spool.create(Path(self._own.name))
        self.open(name=self._opening.pop("name", None))
        self._sender = Sender(self._spool, uri, home=home, older=self._send_older, older_first=older_first)

    @property
    def away(self) -> bool:
        """Whether MLflow did not answer when it was asked last."""
        return self._sender.away

    def run_id(self, run: int) -> str | None:
        """Return a run's id in MLflow, or ``None`` where MLflow has not opened it."""
        found = self._spool.runs.get(run)
        return found[0] if found else None

    def open(self, *, name: str | None, beneath: int | None = None) -> int:
        """Record that a run begins, and return its number.

        Args:
            name: Its name; default: MLflow makes one up.
            beneath: The number of the run that it belongs to; default: none.
        """
        number = self._runs
        self._runs += 1
        rest = self._opening if beneath is None else {"tags": self._opening["tags"], "beneath": beneath}
        record = {"run": number, "kind": "open", "time": int(time.time() * 1000), "to": shown(self._uri), **rest}
        self._spool.append({**record, "name": name})
        return number

    def write(self, record: dict[str, Any]) -> None:
        """Keep a record, and have it sent."""
        self._spool.append(record)
        self._sender.wake()

    def keep(self, content: bytes) -> str:
        """Keep a file, and return what a record calls it.

        Raises:
            OSError: The disk refuses it.
        """
        return self._spool.keep(content, "content")

    def room(self, name: str) -> Path:
        """Return a place for a folder that a record shall refer to.

        Raises:
            OSError: The disk refuses it.
        """
        return self._spool.room(name)

    def relative(self, folder: Path) -> str:
        """Return what a record calls a folder from :meth:`room`."""
        return folder.relative_to(self._spool.folder).as_posix()

    def miss(self, what: str, error: Exception) -> None:
        """Note what could not be kept."""
        self._missed[what] = next(iter(f"{type(error).__name__}: {error}".splitlines()))[:300]

    def wake(self) -> None:
        """Have sent what is kept."""
        self._sender.wake()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was kept is sent, at most so many seconds, and return whether it is."""
        return self._sender.flush(timeout)

    def close(self) -> None:
        """Send the rest if MLflow answers, and say in a line what it did not take."""
        self._sender.close()
        pending = len(self._spool.pending())
        where = shown(self._uri)
        if self._spool.fault is not None:
            self._missed.setdefault("what is recorded", str(self._spool.fault))
        for what, why in self._missed.items():
            _warn(f"{what} could not be kept for MLflow: {why}")
        if self._spool.refused:
            kinds = dict.fromkeys(self._spool.records[number]["kind"] for number in self._spool.refused)
            why = next(iter(self._spool.refused.values()))
            _warn(f"MLflow at {where} refuses {', '.join(kinds)} ({why}); .pixmill/tracking/{self._spool.key} keeps it")
        if pending:
            last = self._sender.last
            reason = last.silence or last.trouble or "it takes nothing for long"
            _warn(
                f"MLflow at {where} did not take {pending:,} records ({reason}): they wait in "
                f".pixmill/tracking/{self._spool.key}. Once it answers: pixmill sync"
            )
        if not pending and not self._spool.refused and not self._sender.alive:
            self._spool.forget()
        elif not self._sender.alive:
            self._spool.release()
        if self._own is not None and not self._sender.alive:
            self._own.cleanup()

    def _send_older(self) -> None:
        done = sync(self._place, self._uri, home=self._home)
        if done.runs or done.kept_back:
            sys.stderr.write(f"tracking: {done.line()}\n")


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")
