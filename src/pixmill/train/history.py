"""The metrics of each epoch, the hooks that receive them.

Best epoch, early stopping and learning rate.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Literal

from pixmill.core.files.writing import significant
from pixmill.core.params import TrainParams

Monitor = Literal["val_loss", "val_accuracy"]

_COLUMNS = ("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate")


@dataclass(frozen=True)
class Epoch:
    """The metrics of one pass over the training split, or of one iteration of a solver.

    Args:
        epoch: Number of the epoch, from 1.
        train_loss: Mean loss of the augmented training images during the epoch.
        train_accuracy: Accuracy on the augmented training images during the epoch.
        val_loss: Mean loss on the validation split after the epoch; with cross-fitting, on the
            folds.
        val_accuracy: Accuracy on the same images.
        learning_rate: Learning rate of the last step; ``None`` for an iteration of a solver.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float | None = None

    def figures(self) -> dict[str, float]:
        """Return the metrics without the epoch number, by name."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name != "epoch" and value is not None
        }


@dataclass(frozen=True)
class Timing:
    """End and duration of an epoch, which no output contains, since they vary between runs.

    Args:
        ended: End, in milliseconds since 1970.
        seconds: Duration, including validation.
        images_per_second: Training images per second, excluding validation.
    """

    ended: int
    seconds: float
    images_per_second: float


def best_of(history: Sequence[Epoch], monitor: Monitor = "val_loss") -> Epoch:
    """Return the best epoch; on a tie, the first.

    Args:
        history: The epochs so far, at least one.
        monitor: ``val_loss`` (lower is better) or ``val_accuracy`` (higher is better).
    """
    if monitor == "val_loss":
        return min(history, key=lambda epoch: epoch.val_loss)
    return max(history, key=lambda epoch: epoch.val_accuracy)


def is_over(history: Sequence[Epoch], params: TrainParams, *, seconds: float = 0.0) -> bool:
    """Return whether training ends: after the last epoch, by early stopping, or at the time limit.

    Args:
        history: The epochs so far.
        params: The section ``train``.
        seconds: Duration of the epochs so far.
    """
    if len(history) >= params.epochs:
        return True
    if not history:
        return False
    if params.minutes is not None and seconds >= 60 * params.minutes:
        return True
    return (
        params.patience is not None
        and len(history) - best_of(history, params.monitor).epoch >= params.patience
    )


def learning_rate(
    params: TrainParams, history: Sequence[Epoch], epoch: int, step: int, steps: int
) -> float:
    """Return the learning rate of one step.

    The rate rises linearly to the full rate at the last step of the warm-up, then follows the
    schedule. The function is stateless, so a resumed training has the same rates.

    >>> from pixmill.core.params import ScheduleParams
    >>> schedule = ScheduleParams(name="cosine", warmup=1)
    >>> params = TrainParams(learning_rate=0.1, epochs=4, schedule=schedule)
    >>> [round(learning_rate(params, [], epoch, 0, 1), 3) for epoch in (1, 2, 3, 4)]
    [0.1, 0.1, 0.075, 0.025]

    Args:
        params: The section ``train``.
        history: The epochs before this one.
        epoch: Number of the epoch, from 1.
        step: Number of the step within the epoch, from 0.
        steps: Number of steps in an epoch.
    """
    schedule = params.schedule
    full = params.learning_rate
    if epoch <= schedule.warmup:
        return full * (epoch - 1 + (step + 1) / steps) / schedule.warmup
    if schedule.name == "cosine":
        done = (epoch - 1 + step / steps - schedule.warmup) / max(
            1, params.epochs - schedule.warmup
        )
        return full * (
            schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * min(1.0, done))) / 2
        )
    if schedule.name == "plateau":
        return full * max(schedule.floor, schedule.factor ** _reductions(params, history))
    return full


def _reductions(params: TrainParams, history: Sequence[Epoch]) -> int:
    """Return how often ``schedule.patience`` epochs passed without improvement.

    A warm-up epoch may be the best one, but does not count as an epoch without improvement.
    """
    reductions = waited = 0
    best: Epoch | None = None
    for epoch in history:
        if best is None or best_of([best, epoch], params.monitor) is epoch:
            best = epoch
            waited = 0
        elif epoch.epoch > params.schedule.warmup:
            waited += 1
            if waited == params.schedule.patience:
                reductions = reductions + 1
                waited = 0
    return reductions


def curves_csv(history: Sequence[Epoch]) -> str:
    """Return one line per epoch, with six significant digits and Unix line ends."""
    lines = [",".join(_COLUMNS)]
    for epoch in history:
        figures = significant(asdict(epoch))
        lines.append(
            ",".join("" if figures[name] is None else str(figures[name]) for name in _COLUMNS)
        )
    return "\n".join(lines) + "\n"


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
