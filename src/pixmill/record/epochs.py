"""Live logging of a training: each epoch as a point on the run's curves, each fold as a child run."""

import contextlib
from collections.abc import Iterator

from pixmill.record.run_recorder import RunRecorder
from pixmill.train import OnEpoch
from pixmill.train.history import Epoch, Timing


def log_epochs(run: RunRecorder) -> OnEpoch:
    """Return what records each epoch in a run, with the time when it ended.

    A solver's iterations, which have no learning rate, come all at once: they are sent with the rest of the run.
    """

    def log(epoch: Epoch, timing: Timing) -> None:
        solved = epoch.learning_rate is None
        figures = epoch.figures() | ({} if solved else timing.figures())
        run.log_metrics(figures, step=epoch.epoch, timestamp=timing.ended, live=not solved)

    return log


@contextlib.contextmanager
def fold_run(run: RunRecorder, number: int) -> Iterator[OnEpoch]:
    """Open a child run for a fold, and yield the callback that logs its epochs.

    Args:
        run: The training's run.
        number: The fold, from 0.
    """
    with run.child(f"fold {number + 1}", {"fold": number}) as child:
        yield log_epochs(child)
