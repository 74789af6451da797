"""Packed images and epochs, shared by Pixmill's contestants in training."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from training import BATCH, LABELS, SIDE

from pixmill.core.params import TrainParams
from pixmill.images.parts import Part, load_parts
from pixmill.train.steps import Trainer, epoch_order, feed


def packed_part(folder: Path) -> Part:
    """Return the training part."""
    classes = [str(label) for label in range(LABELS)]
    return load_parts(folder / "packed", classes, image_size=SIDE, names=("train",))["train"]


def epochs(
    trainer: Trainer,
    part: Part,
    params: TrainParams,
    batches: Callable[[Any], Iterable[tuple[Any, Any]]] | None = None,
) -> Callable[[], tuple[int, float]]:
    """Return a function that trains one more epoch and returns its number of images and loss.

    Args:
        trainer: The trainer.
        part: Training part.
        params: Section ``train``.
        batches: Function of an order of rows that returns batches; default: the images of the part.
    """
    numbers = itertools.count(1)

    def epoch() -> tuple[int, float]:
        number = next(numbers)
        trainer.begin(number)
        order = epoch_order(len(part), seed=params.seed, epoch=number)
        for inputs, targets in batches(order) if batches else feed(part, BATCH, order):
            trainer.train(inputs, targets, params.learning_rate)
        return len(part), trainer.figures("train")[0]

    return epoch
