"""What takes the figures of epochs and folds as they come, such as a run of MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pixmill.train.fitting import OnEpoch
from pixmill.train.history import Epoch, Timing
from pixmill.train.training import OnFold

__all__ = ["Record", "log_epochs", "log_folds"]


class Record(Protocol):
    """Take figures, as :class:`pixmill.tracking.Run` does."""

    def log_epoch(self, epoch: int, figures: Mapping[str, float | None], *, timestamp: int | None = None) -> None:
        """Record one point of each curve, of the moment when the epoch ended, in milliseconds since 1970."""

    def child(self, name: str, params: Mapping[str, Any]) -> AbstractContextManager[Record]:
        """Open a record beneath this one, of the given name and params."""


def log_epochs(record: Record) -> OnEpoch:
    """Return what records each epoch, with the time when it was.

    One that is told again, since a killed training goes on, adds nothing therefore.

    Args:
        record: What takes it.
    """

    def log(epoch: Epoch, timing: Timing) -> None:
        record.log_epoch(epoch.epoch, {**epoch.figures(), **timing.figures()}, timestamp=timing.ended)

    return log


def log_folds(record: Record) -> OnFold:
    """Return what opens a record for each fold, beneath the training's.

    Args:
        record: The training's.
    """

    @contextlib.contextmanager
    def fold(number: int) -> Iterator[OnEpoch]:
        with record.child(f"fold {number + 1}", {"fold": number}) as child:
            yield log_epochs(child)

    return fold
