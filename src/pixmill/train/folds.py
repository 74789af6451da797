"""The same model fitted once without each fold, to tell how much of a figure is luck."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.images.parts import Chosen, Part, Shards
from pixmill.train.checkpoints import Checkpoint, Checkpoints, OnEpoch

if TYPE_CHECKING:
    import keras

__all__ = ["Fold", "FoldResult", "cross_validate", "fold_metrics", "folds_of"]


@dataclass(frozen=True)
class Fold:
    """Hold one way to part the images for training and validation anew.

    Args:
        number: From 0.
        training: All images but the fold's.
        validation: The fold's images.
    """

    number: int
    training: Part
    validation: Part


@dataclass(frozen=True)
class FoldResult:
    """Hold what came of a fold.

    Args:
        number: From 0.
        accuracy: Share of the fold's images that are classified right by a model that never met them.
        loss: Mean loss of the fold's images.
    """

    number: int
    accuracy: float
    loss: float


def folds_of(training: Part, validation: Part) -> Iterator[Fold]:
    """Yield the folds that split drew, in the order of their numbers.

    Args:
        training: The training part.
        validation: The validation part.

    Raises:
        ManifestError: The images are in no folds.
    """
    both = (training, validation)
    rows = pd.concat([part.rows for part in both], ignore_index=True)
    if "fold" not in rows or rows["fold"].isna().any():
        raise ManifestError(
            "train.cross_validation needs folds, and split made none",
            next="set split.folds in params.yaml, to 5 for instance, then: dvc repro",
        )
    targets = np.concatenate([part.targets for part in both])
    numbers = rows["fold"].to_numpy(np.int64)

    def chosen_part(name: Any, chosen: npt.NDArray[np.bool_]) -> Part:
        places = np.flatnonzero(chosen)
        pixels = cast("Shards", Chosen([part.pixels for part in both], places))
        return Part(name, rows.iloc[places].reset_index(drop=True), targets[places], pixels)

    for number in np.unique(numbers).tolist():
        yield Fold(number, chosen_part("train", numbers != number), chosen_part("val", numbers == number))


def cross_validate(
    fold: Fold,
    build: Callable[[], keras.Model],
    fit_fold: Callable[..., Checkpoint],
    checkpoints: Checkpoints | None,
    on_epoch: OnEpoch,
) -> FoldResult:
    """Fit the model without a fold, and measure it on that.

    It is fitted for as many epochs as the best one's number: were the best epoch chosen by the fold itself, the fold
    would look better than new images.

    Args:
        fold: The fold.
        build: Builds a fresh classifier.
        fit_fold: Fits it to the parts that it is given.
        checkpoints: Where this fold's training is kept, for this number of epochs.
        on_epoch: Called for each epoch, also of a fold that was fitted before.
    """
    result = checkpoints.load_finished(on_epoch) if checkpoints else None
    if result is None:
        result = fit_fold(build(), fold.training, fold.validation, checkpoints=checkpoints, on_epoch=on_epoch)
        if checkpoints:
            # Nobody asks for its weights.
            checkpoints.save(replace(result, best={}))
    last = result.history[-1]
    return FoldResult(fold.number, accuracy=last.val_accuracy, loss=last.val_loss)


def fold_metrics(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return what a reviewer compares: how good the folds are on average, and how far they lie apart.

    Args:
        results: One a fold; none gives nothing.
    """
    if not results:
        return {}
    accuracies = np.array([result.accuracy for result in results])
    losses = np.array([result.loss for result in results])
    return {
        "folds": {
            "n": len(results),
            "accuracy_mean": float(accuracies.mean()),
            # Of the folds as a sample of all that might have been drawn.
            "accuracy_spread": float(accuracies.std(ddof=1)),
            "accuracy_min": float(accuracies.min()),
            "accuracy_max": float(accuracies.max()),
            "loss_mean": float(losses.mean()),
        }
    }
