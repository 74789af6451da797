"""What Pixmill's contestants in training share: packed shards, and an epoch a time from them."""

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
    trainer: Trainer, part: Part, params: TrainParams, batches: Callable[[Any], Iterable[tuple[Any, Any]]] | None = None
) -> Callable[[], tuple[int, float]]:
    """Return what trains one epoch more, and tells its images and its loss.

    Args:
        trainer: What is trained.
        part: The training part.
        params: The section ``train``.
        batches: Gives what the trainer takes in an order of rows; default: the images of the part.
    """
    numbers = itertools.count(1)

    def epoch() -> tuple[int, float]:
        number = next(numbers)
        trainer.begin(number)
        order = epoch_order(len(part), seed=params.seed, epoch=number)
        for inputs, targets in batches(order) if batches else feed(part, BATCH, order):
            trainer.train(inputs, targets, params.learning_rate)
        return len(part), trainer.figures("train")["loss"]

    return epoch
