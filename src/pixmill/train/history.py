"""The figures of each epoch, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Epoch", "Monitor", "Timing", "best_of", "is_better", "is_over"]

Monitor = Literal["val_loss", "val_accuracy"]


@dataclass(frozen=True)
class Epoch:
    """Hold what one pass over the training part came to.

    Args:
        epoch: Its number, from 1.
        train_loss: Mean loss of the changed training pictures, as they went by.
        train_accuracy: Share of them that were told right.
        val_loss: Mean loss of the validation part after the epoch.
        val_accuracy: Share of it that is told right.
        learning_rate: That of its last step; ``None`` where all is solved at once, which is no epoch at all.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float | None = None

    def figures(self) -> dict[str, float]:
        """Return what there is but the number, by name."""
        return {name: figure for name, figure in asdict(self).items() if name != "epoch" and figure is not None}


@dataclass(frozen=True)
class Timing:
    """Hold when an epoch was and how long it took: another each time, so it is in no output.

    Args:
        ended: When it ended, in milliseconds since 1970.
        seconds: How long it took, the validation part included.
        images_per_second: Training pictures a second, the validation part not counted.
    """

    ended: int
    seconds: float
    images_per_second: float

    def figures(self) -> dict[str, float]:
        """Return what of it makes a curve, by name."""
        return {"epoch_seconds": self.seconds, "images_per_second": self.images_per_second}


def is_better(one: Epoch, other: Epoch, monitor: Monitor) -> bool:
    """Tell whether an epoch is better than another by the figure that is watched."""
    if monitor == "val_loss":
        return one.val_loss < other.val_loss
    return one.val_accuracy > other.val_accuracy


def best_of(history: Sequence[Epoch], monitor: Monitor = "val_loss") -> Epoch:
    """Return the best epoch, the first of equals.

    Args:
        history: The epochs so far, at least one.
        monitor: ``val_loss``, the lowest, or ``val_accuracy``, the highest.
    """
    best = history[0]
    for epoch in history[1:]:
        if is_better(epoch, best, monitor):
            best = epoch
    return best


def is_over(
    history: Sequence[Epoch],
    *,
    epochs: int,
    patience: int | None,
    monitor: Monitor = "val_loss",
    minutes: float | None = None,
    seconds: float = 0.0,
) -> bool:
    """Tell whether training ends here. It follows from the history alone, so a training that goes on tells the same.

    Args:
        history: The epochs so far.
        epochs: The most there are.
        patience: Epochs in a row without a better one that end it; ``None`` for never.
        monitor: What a better one is told by.
        minutes: After how many no epoch begins; ``None`` for no limit.
        seconds: What the epochs so far took.
    """
    if len(history) >= epochs:
        return True
    if not history:
        return False
    if minutes is not None and seconds >= 60 * minutes:
        return True
    return patience is not None and len(history) - best_of(history, monitor).epoch >= patience
