"""Hooks that follow a training."""

from contextlib import AbstractContextManager, nullcontext

from pixmill.train.history import Epoch, Timing


class Abandoned(Exception):  # noqa: N818 (not an error)
    """Raised by a callback to end a training for good."""


class Callback:
    """Hooks of a training; the base class does nothing."""

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Handle a finished epoch, including each earlier epoch of a resumed or reused training.

        Args:
            epoch: Metrics of the epoch.
            timing: End and duration of the epoch.
        """

    def on_fold(self, number: int) -> AbstractContextManager["Callback"]:  # noqa: ARG002 (used by subclasses)
        """Return a context whose callback follows the training of a fold.

        Args:
            number: Number of the fold, from 0.
        """
        return nullcontext(Callback())
