"""The figures of each epoch, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Epoch", "best_of", "is_over"]


@dataclass(frozen=True)
class Epoch:
    """Hold what one pass over the training part came to.

    Args:
        epoch: Its number, from 1.
        train_loss: Mean cross-entropy of the changed training pictures, as they went by.
        train_accuracy: Share of them that were told right.
        val_loss: Mean cross-entropy of the validation part after the epoch.
        val_accuracy: Share of it that is told right.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    def figures(self) -> dict[str, float]:
        """Return all but the number, by name."""
        figures = asdict(self)
        del figures["epoch"]
        return figures


def best_of(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch of the lowest validation loss, the first of equals."""
    return min(history, key=lambda epoch: epoch.val_loss)


def is_over(history: Sequence[Epoch], *, epochs: int, patience: int | None) -> bool:
    """Tell whether training ends here.

    Args:
        history: The epochs so far.
        epochs: The most there are.
        patience: Epochs in a row without a lower validation loss that end it; ``None`` for never.
    """
    if len(history) >= epochs:
        return True
    return patience is not None and bool(history) and len(history) - best_of(history).epoch >= patience
