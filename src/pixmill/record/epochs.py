"""Live logging of a training: each epoch as a point on the run's curves, each fold as a child run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pixmill.record.run import Run
from pixmill.train import OnEpoch

__all__ = ["fold_run", "log_epochs"]


def log_epochs(run: Run) -> OnEpoch:
    """Return a callback that logs each epoch to a run, with its end time."""
    return lambda epoch, timing: run.log_epoch(
        epoch.epoch, {**epoch.figures(), **timing.figures()}, timestamp=timing.ended
    )


@contextlib.contextmanager
def fold_run(run: Run, number: int) -> Iterator[OnEpoch]:
    """Open a child run for a fold, and yield the callback that logs its epochs.

    Args:
        run: The training's run.
        number: The fold, from 0.
    """
    with run.child(f"fold {number + 1}", {"fold": number}) as child:
        yield log_epochs(child)
