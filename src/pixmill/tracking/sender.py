"""A thread that sends records while the stage works, so that no server, however slow, holds it up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pixmill.tracking.delivery import Delivery, deliver
from pixmill.tracking.spool import Spool

__all__ = ["Sender"]

_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts while MLflow does not answer."""

_CALM = 20.0
"""Seconds without a record taken after which a stage that has ended waits no longer."""

_UPLOAD = 180.0
"""The same while files or a model are on their way."""


class Sender:
    """Send what is in a spool, as it comes.

    Args:
        spool: The spool, held by this process.
        uri: Where runs are kept.
        home: The repository's own root.
        older: Sends what earlier processes left; called once.
        older_first: Whether that comes before the first record of this spool, or after.
    """

    def __init__(self, spool: Spool, uri: str, *, home: Path, older: Callable[[], None], older_first: bool) -> None:
        self._spool, self._uri, self._home = spool, uri, home
        self._older: Callable[[], None] | None = older
        self._older_first = older_first
        self._changed = threading.Condition()
        self._news = self._closing = self._stopped = False
        self.last = Delivery(0, None)
        self._thread = threading.Thread(target=self._work, name="pixmill-tracking", daemon=True)
        self._thread.start()

    @property
    def away(self) -> bool:
        """Whether MLflow did not answer when it was asked last."""
        return self.last.silence is not None

    @property
    def alive(self) -> bool:
        """Whether the thread is in the middle of something still."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Tell that there is something to send."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was recorded so far is sent, and return whether it is.

        Args:
            timeout: The most seconds to wait.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._news = True
            self._changed.notify_all()
            while self._spool.pending() and not self.away and not self._stopped and time.monotonic() < until:
                self._changed.wait(0.2)
        return not self._spool.pending()

    def close(self) -> None:
        """Send the rest if MLflow answers, and end; a server that takes nothing for long is left alone."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        left, since = len(self._spool.pending()), time.monotonic()
        while self.alive:
            self._thread.join(0.1)
            before, left = left, len(self._spool.pending())
            if before != left:
                since = time.monotonic()
            if time.monotonic() - since > self._patience():
                self.last = Delivery(0, "it takes nothing for long")
                break

    def _patience(self) -> float:
        records = self._spool.records
        heavy = any(records[number]["kind"] in ("model", "file") for number in self._spool.pending())
        return _UPLOAD if heavy and self._spool.runs and not self.away else _CALM

    def _work(self) -> None:
        failures = 0
        try:
            while True:
                with self._changed:
                    if failures:
                        # News change nothing: it is away.
                        self._changed.wait_for(lambda: self._closing, _DELAYS[min(failures, len(_DELAYS)) - 1])
                    else:
                        self._changed.wait_for(lambda: self._closing or self._news)
                    closing, self._news = self._closing, False
                if self._older_first:
                    self._send_older()
                found = self._attempt()
                failed = bool(found.silence or found.trouble)
                failures = failures + 1 if failed else 0
                if not failed and not closing:
                    self._send_older()
                if closing and (failed or not found.sent or not self._spool.pending()):
                    return
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()

    def _send_older(self) -> None:
        older, self._older = self._older, None
        if older is None:
            return
        try:
            older()
        except Exception as error:  # noqa: BLE001 (a defect here must not end a training)
            sys.stderr.write(f"warning: tracking: {type(error).__name__}: {error}\n")

    def _attempt(self) -> Delivery:
        try:
            found = deliver(self._spool, self._uri, home=self._home)
        except Exception as error:  # noqa: BLE001 (as above)
            found = Delivery(0, None, f"{type(error).__name__}: {error}")
        with self._changed:
            self.last = found
            self._changed.notify_all()
        return found
