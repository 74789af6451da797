"""A trial: params tried on the packed images, by what their model answers on images that it was not fitted to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.core.params import TrainParams
from pixmill.train.callback import Callback
from pixmill.train.folds import cross_validate, folds_of
from pixmill.train.history import Epoch
from pixmill.train.weights import open_training


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Args:
        key: What the weights depend on, by which ``train`` finds them again.
        history: The metrics of each epoch.
        until: The best epoch, from 1.
        rows: The images that were asked: columns ``id``, ``label`` and ``cluster``.
        targets: Their class indices.
        probabilities: The model's answers before calibration, shape (images, labels).
    """

    key: str
    history: tuple[Epoch, ...]
    until: int
    rows: pd.DataFrame
    targets: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]


def run_trial(
    folder: Path,
    params: TrainParams,
    *,
    classes: Sequence[str],
    scratch: Path,
    root: Path = Path(),
    callback: Callback | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Trial:
    """Fit a classifier, or reuse an earlier training, and ask it about validation images; the test split is not read.

    With folds, one more model is fitted without each, for as many epochs as were best on the validation split, and all
    training and validation images are asked about.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        classes: The labels, in the order of the params.
        scratch: Cache of trainings and features.
        root: The project folder, to which a file of pretrained weights is relative; default: the current one.
        callback: Follows the training and its folds; default: nothing.
        folds: How many folds are drawn. Default: none.
        seed: Of that draw.

    Raises:
        ManifestError: As :func:`pixmill.train.train` raises it, and likewise its other errors.
    """
    with open_training(folder, params, classes=classes, root=root, scratch=scratch, callback=callback) as opened:
        data = replace(opened.data, test=None)
        asked = [data.training, data.validation] if folds else [data.validation]
        numbers = np.empty(0, np.int64)
        if folds:
            numbers = draw_folds(pd.concat([part.rows for part in asked], ignore_index=True), folds, seed)
        fitted = replace(opened, data=data).fit()
        if not folds:
            answers = opened.fitter.answer(fitted.classifier, data.validation)
        else:
            answers = np.empty((len(numbers), len(classes)), np.float32)
            division = hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()[:16]
            within = replace(data, checkpoints=data.checkpoints.within(f"folds-{division}"))
            for fold in folds_of(data.training, data.validation, numbers):
                result = cross_validate(opened.fitter, fold, within, fitted.until, folds)
                answers[numbers == fold.number] = result.answers
    rows = pd.concat([part.rows[["id", "label", "cluster"]] for part in asked], ignore_index=True)
    targets = np.concatenate([part.targets for part in asked])
    return Trial(opened.key, tuple(fitted.checkpoint.history), fitted.until, rows, targets, answers)


def draw_folds(rows: pd.DataFrame, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the fold of each image: near-duplicates in the same, classes in about equal shares.

    Args:
        rows: Columns ``label`` and ``cluster``.
        folds: How many there are.
        seed: Another draws others.

    Raises:
        ManifestError: A class has fewer images, near-duplicates counted once.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    counts = rows.groupby("label")["cluster"].nunique()
    if (fewest := int(counts.min())) < folds:
        raise ManifestError(
            f"{folds} folds need as many images of each class, near-duplicates counted once; {counts.idxmin()} has "
            f"{fewest} for training and validation",
            next=f"pixmill sweep --folds {fewest}" if fewest > 1 else "add images, then: dvc repro",
        )
    numbers = np.empty(len(rows), np.int64)
    drawn = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(drawn.split(rows, rows["label"], rows["cluster"].astype(str))):
        numbers[chosen] = number
    return numbers
