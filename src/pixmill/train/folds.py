"""Cross-validation: the model fitted without each fold, for the spread of its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixmill.core.errors import ManifestError
from pixmill.images.parts import Part
from pixmill.metrics.arrays import Ints
from pixmill.models.scaling import Features
from pixmill.train.fitting import FitData, Fitter


@dataclass(frozen=True)
class Fold:
    """A division of the images into training and validation.

    Args:
        number: Number of the fold, from 0.
        training: Images outside of the fold.
        validation: Images of the fold.
    """

    number: int
    training: Part
    validation: Part


@dataclass(frozen=True)
class FoldResult:
    """The result of a model that was fitted without a fold.

    Args:
        number: Number of the fold, from 0.
        accuracy: Accuracy on the images of the fold.
        loss: Mean loss on the images of the fold.
        probabilities: Uncalibrated probabilities for the images of the fold; shape (images,
            labels).
    """

    number: int
    accuracy: float
    loss: float
    probabilities: Features


def folds_of(images: Part, numbers: Ints | None = None) -> Iterator[Fold]:
    """Yield folds in the order of their numbers.

    Args:
        images: The training and validation images.
        numbers: Fold of each image. Default: the folds of the split stage.

    Raises:
        ManifestError: The split stage assigned no folds.
    """
    if numbers is None:
        if images.rows["fold"].isna().all():
            raise ManifestError("artifacts/split has no folds", next="dvc repro -f split")
        numbers = images.rows["fold"].fillna(-1).to_numpy(np.int64)
    for number in np.unique(numbers[numbers >= 0]).tolist():
        outside, inside = (
            images.take(np.flatnonzero(mask)) for mask in (numbers != number, numbers == number)
        )
        yield Fold(number, replace(outside, name="train"), replace(inside, name="val"))


def cross_validate(
    fitter: Fitter, fold: Fold, data: FitData, epochs: int, folds: int
) -> FoldResult:
    """Fit a model without a fold, and measure it on that fold.

    The number of epochs is the best epoch of the main training: selecting the best epoch on the
    fold would make its accuracy optimistic.

    Args:
        fitter: Fitter of the model.
        fold: The fold.
        data: Checkpoints and callback of the main training; the fold has its own checkpoints for
            this number of epochs.
        epochs: Number of epochs.
        folds: Number of folds.
    """
    # With `train.minutes`, the best epoch may differ between runs.
    checkpoints = data.checkpoints.within(f"fold-{fold.number}-{epochs}")
    with data.callback.on_fold(fold.number) as callback:
        result = checkpoints.load_finished(callback)
        if result is None:
            title = f"Train fold {fold.number + 1} of {folds}"
            fitted = fitter.fit(
                FitData(fold.training, fold.validation, checkpoints, callback, epochs, title)
            )
            # The weights are not used again.
            result = replace(
                fitted.checkpoint,
                best={"answers": fitter.predict(fitted.classifier, fold.validation)},
            )
            checkpoints.save(result)
    last = result.history[-1]
    probabilities: Features = result.best["answers"]  # type: ignore[assignment]
    return FoldResult(
        fold.number, accuracy=last.val_accuracy, loss=last.val_loss, probabilities=probabilities
    )


def fold_metrics(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return mean, spread, minimum and maximum over the folds.

    Args:
        results: Results of the folds; without results, the return value is empty.
    """
    if not results:
        return {}
    accuracies = np.array([result.accuracy for result in results])
    losses = np.array([result.loss for result in results])
    return {
        "folds": {
            "n": len(results),
            "accuracy_mean": float(accuracies.mean()),
            # The sample standard deviation.
            "accuracy_spread": float(accuracies.std(ddof=1)),
            "accuracy_min": float(accuracies.min()),
            "accuracy_max": float(accuracies.max()),
            "loss_mean": float(losses.mean()),
        }
    }
