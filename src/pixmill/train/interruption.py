"""Signals stop a training between two steps, never within one."""

import signal
import threading
from types import FrameType
from typing import Any, Self

from pixmill.train.strategy import several_processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised when a signal stops the training.

    Args:
        signum: The signal's number.
        epoch: The epoch that was in progress, from 1.
    """

    def __init__(self, signum: int, epoch: int) -> None:
        super().__init__(f"signal {signum} in epoch {epoch}")
        self.signum, self.epoch = signum, epoch

    @property
    def status(self) -> int:
        """The conventional exit status: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signum


class Interruption:
    """Defer SIGINT and SIGTERM until :meth:`check`; a context manager.

    The second signal acts at once, as it would without this. A signal that the process ignores stays ignored.

    If several processes train together, signals are not deferred: when one has ended, the others wait for it inside
    TensorFlow and never reach a check. They keep no checkpoints either.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._received: int | None = None

    def __enter__(self) -> Self:
        # Only the main thread may set handlers; in any other thread signals keep their behaviour.
        if not several_processes() and threading.current_thread() is threading.main_thread():
            for kind in _SIGNALS:
                if signal.getsignal(kind) not in (signal.SIG_IGN, None):
                    self._before[kind] = signal.signal(kind, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def check(self, epoch: int) -> None:
        """Stop the training if a signal arrived.

        Args:
            epoch: The epoch in progress, from 1.

        Raises:
            Interrupted: A signal arrived.
        """
        if self._received is not None:
            raise Interrupted(self._received, epoch)

    def _receive(self, signum: int, _: FrameType | None) -> None:
        self._received = signum
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
