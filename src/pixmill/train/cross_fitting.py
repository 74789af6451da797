"""Cross-fitting: each training and validation image is predicted by a head that has not seen it.

The images are divided into the folds of the split stage, which keep near-duplicates and given
groups together. A head is fitted without each fold and predicts it. These predictions calibrate the
head that is delivered, which is then fitted to all training and validation images.

Source: Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", Journal of the
Royal Statistical Society B 36, 1974.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.heads.head import Targets
from pixmill.images.parts import Part
from pixmill.metrics.arrays import Bools, Ints
from pixmill.models.novelty import MAX_SAMPLE, fit_novelty
from pixmill.models.scaling import Features
from pixmill.train.checkpoints import Arrays, under
from pixmill.train.folds import FoldResult
from pixmill.train.history import Epoch
from pixmill.train.logistic import fit_logistic

_MAX_COST = 20_000 * 3344
"""Maximum cost of cross-fitting.

A larger data set has enough validation images, and five more fits take minutes.
"""


@dataclass(frozen=True)
class CrossFitted:
    """Predictions of training, then validation images by heads fitted without their fold.

    Args:
        folds: Fold of each image; -1 if it has no prediction, because it has no fold, or all images
            of its class are in one fold.
        probabilities: Uncalibrated probabilities, ``float32`` of shape (images, labels); 0 without
            a prediction.
        novelty: Novelty according to the images of the other folds, ``float32`` of shape (images,);
            NaN if unknown.
    """

    folds: Ints
    probabilities: Features
    novelty: Features

    @property
    def known(self) -> Bools:
        """Whether each image has a prediction."""
        return self.folds >= 0

    def sizes(self) -> list[int]:
        """Return the number of predicted images of each fold with any."""
        sizes: list[int] = np.unique(self.folds[self.known], return_counts=True)[1].tolist()
        return sizes

    def results(self, targets: Targets, head: Head) -> list[FoldResult]:
        """Return the result of each fold.

        Args:
            targets: What each image shows.
            head: What the model answers.
        """
        found = []
        for number in np.unique(self.folds[self.known]).tolist():
            inside = self.folds == number
            probabilities = self.probabilities[inside]
            actual = targets[inside]
            _, right, known = head.figures(head.logits(probabilities), actual)
            loss = head.losses(actual, probabilities).mean()
            found.append(
                FoldResult(number, float(right / max(known, 1)), float(loss), probabilities)
            )
        return found

    def arrays(self) -> Arrays:
        """Return the arrays by name, for a checkpoint."""
        return {f"cross_fitted_{name}": array for name, array in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> CrossFitted | None:
        """Return what :meth:`arrays` has stored; ``None`` if nothing is stored.

        Args:
            arrays: Arrays of a checkpoint.
        """
        found = under("cross_fitted_", arrays)
        return cls(**found) if found else None  # type: ignore[arg-type]


def is_affordable(images: int, width: int, labels: int) -> bool:
    """Return whether cross-fitting takes a few minutes at most.

    Args:
        images: Number of training and validation images.
        width: Number of features.
        labels: Number of classes.
    """
    # Measured: reading the features takes as long as computing the products for 50 classes.
    return images * width * (1 + labels / 50) <= _MAX_COST


def folds_to_fit(head: Head, *parts: Part) -> Ints | None:
    """Return the fold of each image, from 0, or -1 without one.

    ``None`` if no image could be predicted.

    Args:
        head: What the model answers.
        parts: The training and the validation split.
    """
    rows = pd.concat([part.rows for part in parts])
    folds = rows["fold"].fillna(-1).to_numpy(np.int64)
    targets = np.concatenate([part.targets for part in parts])
    # A class in a single fold cannot be predicted without it.
    return folds if any(inside.size for _, inside in divisions(folds, targets, head)) else None


def cross_fit(
    features: Features,
    targets: Targets,
    folds: Ints,
    params: TrainParams,
    *,
    head: Head,
    labels: int,
    top: int,
) -> tuple[CrossFitted, list[list[Epoch]]]:
    """Fit a logistic regression without each fold, and predict the fold.

    Args:
        features: Shape (n, width), in memory.
        targets: What each image shows.
        folds: Fold of each image, from 0; -1: it is only fitted to.
        params: The section ``train``.
        head: What the model answers.
        labels: Number of classes.
        top: Number of features of the last layer, for the novelty.

    Returns:
        The predictions, and the history of each fold.
    """
    found = CrossFitted(
        np.full_like(folds, -1),
        np.zeros((len(targets), labels), np.float32),
        np.full(len(targets), np.nan, np.float32),
    )
    histories = []
    divided = list(divisions(folds, targets, head))
    for place, (rest, inside) in enumerate(divided, 1):
        if not inside.size:
            continue
        fitted = fit_logistic(
            features[rest],
            targets[rest],
            params,
            head=head,
            labels=labels,
            validation=(features[inside], targets[inside]),
            title=f"Train fold {place} of {len(divided)}",
        )
        histories.append(fitted.history)
        found.folds[inside] = folds[inside]
        found.probabilities[inside] = head.probabilities(
            features[inside].astype(np.float64) @ fitted.kernel + fitted.bias
        )
        novelty = fit_novelty(features[novelty_sample(rest)], top)
        if novelty is not None:
            found.novelty[inside] = novelty.of(features[inside])
    return found, histories


def divisions(folds: Ints, targets: Targets, head: Head) -> Iterator[tuple[Ints, Ints]]:
    """Yield for each fold the rows that its head is fitted to, and the rows that it predicts.

    Args:
        folds: Fold of each image, from 0; -1: it is only fitted to.
        targets: What each image shows. A class with images in one fold only is not predicted.
        head: What the model answers.
    """
    for number in np.unique(folds[folds >= 0]).tolist():
        fitted = np.flatnonzero(folds != number)
        yield fitted, np.flatnonzero((folds == number) & head.predictable(targets, targets[fitted]))


def novelty_sample(rows: Ints) -> Ints:
    """Return at most as many rows as the novelty is fitted to, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, MAX_SAMPLE).astype(np.int64))]


def validated(
    history: Sequence[Epoch], histories: Sequence[Sequence[Epoch]], sizes: Sequence[int]
) -> list[Epoch]:
    """Return the iterations of the delivered head with the mean validation metrics of the folds.

    A fold that has converged keeps its last metrics; the last iteration has the last metrics of all
    folds.

    Args:
        history: Iterations of the head that was fitted to all images.
        histories: Iterations of each fold, validated on the fold.
        sizes: Number of images of each fold.
    """
    epochs = []
    for place, epoch in enumerate(history):
        last = place == len(history) - 1
        rows = [each[-1] if last else each[min(place, len(each) - 1)] for each in histories]
        loss, accuracy = np.average(
            [(row.val_loss, row.val_accuracy) for row in rows], axis=0, weights=sizes
        ).tolist()
        epochs.append(replace(epoch, val_loss=loss, val_accuracy=accuracy))
    return epochs
