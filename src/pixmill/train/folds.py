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
    """

    number: int
    accuracy: float
    loss: float


def folds_of(training: Part, validation: Part) -> Iterator[Fold]:
    """Yield the folds that the split stage assigned, in the order of their numbers.

    Args:
        training: The training split.
        validation: The validation split.

    Raises:
        ManifestError: The images have no folds.
    """
    both = (training, validation)
    rows = pd.concat([part.rows for part in both], ignore_index=True)
    if "fold" not in rows or rows["fold"].isna().any():
        raise ManifestError(
            "train.cross_validation needs folds, but the split stage made none",
            next="set split.folds in params.yaml, for example to 5, then: dvc repro",
        )
    targets = np.concatenate([part.targets for part in both])
    numbers = rows["fold"].to_numpy(np.int64)

    def chosen_part(name: Any, chosen: npt.NDArray[np.bool_]) -> Part:
        places = np.flatnonzero(chosen)
        pixels = Shards([part.pixels for part in both], rows=places)
        return Part(name, rows.iloc[places].reset_index(drop=True), targets[places], pixels)

    for number in np.unique(numbers).tolist():
        yield Fold(number, chosen_part("train", numbers != number), chosen_part("val", numbers == number))


def cross_validate(fitter: Fitter, number: int, data: FitData) -> FoldResult:
    """Fit a model without a fold, and measure it on that fold.

    The number of epochs is the main training's best epoch: choosing the best epoch on the fold itself would make its
    accuracy optimistic.

    Args:
        fitter: Fits the model.
        number: The fold, from 0.
        data: The images, the fold's as validation split; the number of epochs; and the fold's own checkpoints, for this
            number of epochs.
    """
    result = data.checkpoints.load_finished(data.callback)
    if result is None:
        result = fitter.fit(data).checkpoint
        # Its weights are not used.
        data.checkpoints.save(replace(result, best={}))
    last = result.history[-1]
    return FoldResult(number, accuracy=last.val_accuracy, loss=last.val_loss)


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
