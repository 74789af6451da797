"""A trial: the predictions of a model with given params for images that it was not fitted to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.heads.head import Targets
from pixmill.metrics.arrays import Ints
from pixmill.models.scaling import Features
from pixmill.train.folds import cross_validate, folds_of
from pixmill.train.history import Callback, Epoch, best_of
from pixmill.train.training import open_training


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Args:
        key: Key of the training, with which ``train`` reuses its weights.
        history: Metrics of each epoch.
        best_epoch: The best epoch, from 1.
        rows: The predicted images: columns ``id``, ``label`` and ``cluster``.
        targets: What the images show.
        probabilities: Uncalibrated probabilities, shape (images, labels).
    """

    key: str
    history: tuple[Epoch, ...]
    best_epoch: int
    rows: pd.DataFrame
    targets: Targets
    probabilities: Features


def run_trial(
    folder: Path,
    params: TrainParams,
    *,
    head: Head,
    classes: Sequence[str],
    scratch: Path,
    root: Path = Path(),
    callback: Callback | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Trial:
    """Fit a classifier, or reuse an earlier training, and predict the validation split.

    The test split is not read.

    A head that is cross-fitted predicts training and validation images. With folds, another model
    is fitted without each fold, for the best number of epochs on the validation split, and all
    training and validation images are predicted.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        head: What the classifier answers.
        classes: The labels, in the order of the params.
        scratch: Cache folder of trainings and features.
        root: Project folder, to which a weights file is relative. Default: the current folder.
        callback: Hooks of the training and its folds. Default: none.
        folds: Number of folds. Default: no folds.
        seed: Seed of the folds.

    Raises:
        ManifestError: As for :func:`pixmill.train.train`, or a class has fewer images than folds.
        TrainError: As for :func:`pixmill.train.train`.
    """
    with open_training(
        folder, params, head=head, classes=classes, root=root, scratch=scratch, callback=callback
    ) as opened:
        data = replace(opened.data, test=None)
        images = data.training.join(data.validation)
        numbers = draw_folds(images.rows, folds, seed) if folds else np.empty(0, np.int64)
        classifier, checkpoint, _, cross_fitted = replace(opened, data=data).fit()
        best = best_of(checkpoint.history, params.monitor).epoch
        if not folds and cross_fitted:
            images = images.take(np.flatnonzero(cross_fitted.known))
            probabilities = cross_fitted.probabilities[cross_fitted.known]
        elif not folds:
            images = data.validation
            probabilities = opened.fitter.predict(classifier, images)
        else:
            probabilities = np.empty((len(numbers), len(classes)), np.float32)
            division = hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()[:16]
            within = replace(data, checkpoints=data.checkpoints.within(f"folds-{division}"))
            for fold in folds_of(images, numbers):
                result = cross_validate(opened.fitter, fold, within, best, folds)
                probabilities[numbers == fold.number] = result.probabilities
    rows = images.rows[["id", "label", "cluster"]]
    return Trial(opened.key, tuple(checkpoint.history), best, rows, images.targets, probabilities)


def draw_folds(rows: pd.DataFrame, folds: int, seed: int) -> Ints:
    """Return the fold of each image.

    Near-duplicates share a fold, and classes have about equal shares.

    Args:
        rows: Columns ``label`` and ``cluster``.
        folds: Number of folds.
        seed: Seed of the folds.

    Raises:
        ManifestError: A class has fewer images than folds, near-duplicates counted once.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    counts = rows.groupby("label")["cluster"].nunique()
    if (fewest := int(counts.min())) < folds:
        raise ManifestError(
            f"{folds} folds need as many images of each class, near-duplicates counted once; "
            f"{counts.idxmin()} has {fewest} for training and validation",
            next=f"pixmill sweep --folds {fewest}" if fewest > 1 else "add images, then: dvc repro",
        )
    numbers = np.empty(len(rows), np.int64)
    drawn = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(
        drawn.split(rows, rows["label"], rows["cluster"].astype(str))
    ):
        numbers[chosen] = number
    return numbers
