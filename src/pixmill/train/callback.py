"""What hears of a training as it goes on."""

from contextlib import AbstractContextManager, nullcontext

from pixmill.train.history import Epoch, Timing


class Abandoned(Exception):  # noqa: N818 (it is no error)
    """Raised by a callback to end a training that nothing will ever go on from."""


class Callback:
    """Follow a training; the methods do nothing unless they are overridden."""

    def on_epoch_end(self, epoch: Epoch, timing: Timing) -> None:
        """Hear of an epoch that has ended, also of those of a resumed or reused training.

        Args:
            epoch: Its metrics.
            timing: When it ended, and how long it took.
        """

    def on_fold(self, number: int) -> AbstractContextManager["Callback"]:  # noqa: ARG002 (for those that override it)
        """Open a fold of the cross-validation; the callback that this yields follows the fold's training.

        Args:
            number: The fold, from 0.
        """
        return nullcontext(Callback())
