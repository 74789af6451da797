"""A training's epochs as points on its run's curves."""

from pixmill.record.run_recorder import RunRecorder
from pixmill.train import Callback
from pixmill.train.history import Epoch, Timing


class EpochLogger(Callback):
    """Record each epoch in a run, with the time when it ended; a solver's iterations have no timing.

    Args:
        run: The training's run.
    """

    def __init__(self, run: RunRecorder) -> None:
        self._run = run

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Record an epoch's metrics and timing."""
        figures = epoch.figures() | ({} if epoch.learning_rate is None else timing.figures())
        self._run.log_metrics(figures, step=epoch.epoch, timestamp=timing.ended)
