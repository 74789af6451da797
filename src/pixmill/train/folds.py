"""Cross-validation: the same model fitted once without each fold, to measure the spread of its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.images.parts import Part, Shards
from pixmill.train.fitting import FitData, Fitter


@dataclass(frozen=True)
class Fold:
    """One way to divide the images into training and validation.

    Args:
        number: From 0.
        training: All images except the fold's.
        validation: The fold's images.
    """

    number: int
    training: Part
    validation: Part


@dataclass(frozen=True)
class FoldResult:
    """The result of a fold.

    Args:
        number: From 0.
        accuracy: Accuracy on the fold's images of a model that was not trained on them.
        loss: Mean loss on the fold's images.
        answers: The model's probabilities for the fold's images, before calibration; shape (images, labels).
    """

    number: int
    accuracy: float
    loss: float
    answers: npt.NDArray[np.float32]


def folds_of(training: Part, validation: Part, numbers: npt.NDArray[np.int64] | None = None) -> Iterator[Fold]:
    """Yield folds, in the order of their numbers.

    Args:
        training: The training split.
        validation: The validation split.
        numbers: The fold of each training and each validation image, in turn; default: those of the split stage.

    Raises:
        ManifestError: The split stage assigned none.
    """
    both = (training, validation)
    rows = pd.concat([part.rows for part in both], ignore_index=True)
    if numbers is None:
        if "fold" not in rows or rows["fold"].isna().any():
            raise ManifestError(
                "train.cross_validation needs folds, but the split stage made none",
                next="set split.folds in params.yaml, for example to 5, then: dvc repro",
            )
        numbers = rows["fold"].to_numpy(np.int64)
    targets = np.concatenate([part.targets for part in both])

    def chosen_part(name: Any, chosen: npt.NDArray[np.bool_]) -> Part:
        places = np.flatnonzero(chosen)
        pixels = Shards([part.pixels for part in both], rows=places)
        return Part(name, rows.iloc[places].reset_index(drop=True), targets[places], pixels)

    for number in np.unique(numbers).tolist():
        yield Fold(number, chosen_part("train", numbers != number), chosen_part("val", numbers == number))


def cross_validate(fitter: Fitter, fold: Fold, data: FitData, until: int, folds: int) -> FoldResult:
    """Fit a model without a fold, and measure it on that fold.

    The number of epochs is the main training's best epoch: choosing the best epoch on the fold itself would make its
    accuracy optimistic.

    Args:
        fitter: Fits the model.
        fold: The fold.
        data: The main training's checkpoints, within which the fold has its own for this number of epochs, and its
            callback.
        until: The number of epochs.
        folds: How many folds there are.
    """
    # With `train.minutes` the best epoch may differ next time.
    kept = data.checkpoints.within(f"fold-{fold.number}-{until}")
    with data.callback.on_fold(fold.number) as callback:
        result = kept.load_finished(callback)
        if result is None:
            what = f"Train fold {fold.number + 1} of {folds}"
            fitted = fitter.fit(FitData(fold.training, fold.validation, kept, callback, until, what))
            # Its weights are not used.
            result = replace(fitted.checkpoint, best={"answers": fitter.answer(fitted.classifier, fold.validation)})
            kept.save(result)
    last = result.history[-1]
    answers: npt.NDArray[np.float32] = result.best["answers"]  # type: ignore[assignment]
    return FoldResult(fold.number, accuracy=last.val_accuracy, loss=last.val_loss, answers=answers)


def fold_metrics(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return mean, spread, minimum and maximum over the folds.

    Args:
        results: One per fold; if empty, so is the result.
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
