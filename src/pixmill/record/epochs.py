"""Live logging of a training: each epoch as a point on the run's curves, each fold as a child run."""

import contextlib
from collections.abc import Iterator

from pixmill.record.run_recorder import RunRecorder
from pixmill.train import Callback
from pixmill.train.history import Epoch, Timing


class EpochLogger(Callback):
    """Record each epoch in a run, with the time when it ended, and each fold in a child run.

    A solver's iterations, which have no learning rate, come all at once: they are sent with the rest of the run.

    Args:
        run: The training's run, or a fold's.
    """

    def __init__(self, run: RunRecorder) -> None:
        self._run = run

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Log an epoch's metrics and timing."""
        solved = epoch.learning_rate is None
        figures = epoch.figures() | ({} if solved else timing.figures())
        self._run.log_metrics(figures, step=epoch.epoch, timestamp=timing.ended, live=not solved)

    @contextlib.contextmanager
    def on_fold(self, number: int) -> Iterator[Callback]:
        """Open a child run, and yield what logs its epochs."""
        with self._run.child(f"fold {number + 1}", {"fold": number}) as child:
            yield EpochLogger(child)
