"""The stage's one function: packed pictures in, a fitted classifier out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.errors import ManifestError
from pixmill.files import read_json
from pixmill.models import build_classifier, fix_threads
from pixmill.params import TrainParams
from pixmill.parts import load_parts
from pixmill.train.fitting import fit
from pixmill.train.history import Epoch, best_of

if TYPE_CHECKING:
    import keras

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """Hold a fitted classifier and how it came about.

    Args:
        classifier: The graph that is used, uncompiled, with the best epoch's weights.
        labels: The classes, in the order of its outputs.
        history: The figures of each epoch.
        pictures: Pictures by part.
        image_size: Side of the pictures in pixels.
        aspect: How a picture becomes square.
    """

    classifier: keras.Model
    labels: tuple[str, ...]
    history: tuple[Epoch, ...]
    pictures: dict[str, int]
    image_size: int
    aspect: str

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return best_of(self.history)

    def metrics(self) -> dict[str, Any]:
        """Return what a reviewer compares: the best epoch's figures, and how large and how long."""
        return {
            **self.best.figures(),
            "best_epoch": self.best.epoch,
            "epochs": len(self.history),
            "parameters": self.classifier.count_params(),
        }

    def summary(self) -> str:
        """Return in one line how it went."""
        return (
            f"epoch {self.best.epoch} of {len(self.history)} was the best: validation accuracy "
            f"{self.best.val_accuracy:.3f}, loss {self.best.val_loss:.3f}; "
            f"{self.classifier.count_params():,} parameters"
        )


def train(
    folder: Path,
    params: TrainParams,
    *,
    classes: Sequence[str],
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Trained:
    """Fit a classifier to what split packed.

    The number of threads is fixed for the rest of this process.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        classes: The labels, in the order of the params.
        on_epoch: Called after each epoch; default: nothing.

    Raises:
        ManifestError: The folder is not whole, or was written for other classes.
        TrainError: The model does not fit the pictures, or the loss is no number any more.
    """
    image_size, aspect = _preprocessing(folder / "preprocessing.json")
    parts = load_parts(folder, classes, side=image_size, names=("train", "val"))
    fix_threads(params.threads)
    classifier = build_classifier(params, labels=len(classes), image_size=image_size)
    history = fit(classifier, parts["train"], parts["val"], params, on_epoch)
    return Trained(
        classifier=classifier,
        labels=tuple(classes),
        history=tuple(history),
        pictures={name: len(part) for name, part in parts.items()},
        image_size=image_size,
        aspect=aspect,
    )


def _preprocessing(path: Path) -> tuple[int, str]:
    match read_json(path, stage="split"):
        case {"image_size": int(image_size), "aspect": str(aspect)}:
            return image_size, aspect
    raise ManifestError(f"{path} does not say how the pictures were prepared", next="dvc repro -f split")
