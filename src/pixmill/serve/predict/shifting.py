"""Predictions of some classes only, or with the shares that the classes have at a place."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from pixmill.core.cells import NONE
from pixmill.core.errors import DataError
from pixmill.core.words import did_you_mean, first_of, printable
from pixmill.heads import ONE_LABEL
from pixmill.metrics.calibration import Calibration
from pixmill.metrics.prior_shift import PriorShift, fit_prior_shift
from pixmill.models.classifier import Prediction, read_calibration
from pixmill.models.inference import Answer
from pixmill.models.model_folder import HELD_OUT_FILE
from pixmill.serve.predict.model import Model

_MAX_SHARE = 1e300

_FITTING = Lock()
"""Requests with other shares take one processor at most."""

_FORM = "write a header and then a line for each class: class,share and coat,0.7"


def read_classes(text: str) -> list[str]:
    """Return the names in a file, one a line, or in a list with commas.

    Args:
        text: Path of the file, or the list.

    Raises:
        DataError: There is no such file, and it is no list.
    """
    names = text.split(",")
    if os.path.isfile(text):  # noqa: PTH113 (a long list is no path)
        names = Path(text).read_text("utf-8-sig", "replace").splitlines()
    elif len(names) < 2:
        problem = f"{printable(text)} is neither a file nor a list of classes"
        raise DataError(problem, next="name a file with one class a line, or two classes or more")
    return [name.strip() for name in names if name.strip()]


def read_prior(path: Path) -> dict[str, str]:
    """Return the share of each class as text.

    Args:
        path: A table with the columns ``class`` and ``share`` (CSV).

    Raises:
        DataError: The file is missing or has other columns, or names a class twice.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        shares = dict(zip(table["class"], table["share"], strict=True))
    except (OSError, ValueError, LookupError) as error:
        problem = f"{path} cannot be read as columns class and share: {error}".strip()
        raise DataError(problem, next=_FORM) from error
    if len(shares) < len(table):
        raise DataError(f"{path} names a class twice", next=_FORM)
    return shares


def shift_model(
    model: Model, classes: Iterable[str] | None = None, prior: Mapping[str, Any] | None = None
) -> Model:
    """Return a model that predicts some classes only, or with other shares of the classes.

    Args:
        model: The model.
        classes: The classes that occur, or a text as for :func:`read_classes`. Default: those with
            a share, or all.
        prior: Share of each class, up to a factor. A class without a share does not occur. Default:
            the shares that the model assumes.

    Raises:
        DataError: A class is unknown, a share is not a number from 0 to 1e300, fewer than two classes
            occur, or the model has several labels or no held-out predictions.
    """
    if classes is None and prior is None:
        return model
    _check_model(model)
    if isinstance(classes, str):
        classes = read_classes(classes)
    given = {} if prior is None else {name: _number(share) for name, share in dict(prior).items()}
    names = list(given if classes is None else classes)
    if prior is None:
        given = dict.fromkeys(names, 1.0)
    for name in (*names, *given):
        if name not in model.labels:
            text = str(name)
            raise DataError(
                f"{model.title} has no class '{printable(text)}'{did_you_mean(text, model.labels)}",
                next=f"name some of {first_of([*map(printable, model.labels)], 10)}",
            )
        if not 0 <= given.get(name, 0.0) <= _MAX_SHARE:
            problem = f"the share of {printable(name)} is not a number from 0 to {_MAX_SHARE:g}"
            raise DataError(problem, next=_FORM)
    shares = tuple(given.get(label, 0.0) * (label in names) for label in model.labels)
    if np.count_nonzero(shares) < 2:
        problem = "fewer than two classes can occur"
        raise DataError(problem, next="name two or more, with shares above 0")
    with _FITTING:
        shift = _fit(model.path, model.digest, model.labels, shares, prior is None)
    return replace(model, threshold=shift.threshold, shift=shift)


def _number(share: Any) -> float:
    try:
        return float(share)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _check_model(model: Model) -> None:
    """Check that a model can be shifted."""
    if not model.head.is_exclusive:
        problem = "with several labels, none excludes another"
        raise DataError(problem, next="leave out the classes and shares")
    if NONE in model.labels:
        problem = f"{model.title} has a class called {NONE}, which is the answer for other classes"
        raise DataError(problem, next="rename the class, then: dvc repro")
    if not (model.path / HELD_OUT_FILE).exists():
        raise DataError(
            f"{model.title} comes without the held-out predictions that this needs",
            next="name artifacts/train, or a model in MLflow that this version has trained",
        )


@lru_cache(maxsize=64)
def _fit(
    path: Path,
    digest: str,  # noqa: ARG001 (another training may replace the files)
    labels: tuple[str, ...],
    shares: tuple[float, ...],
    relative: bool,
) -> PriorShift:
    from pixmill.models.held_out import load_held_out

    calibration = read_calibration(path, ONE_LABEL)
    rows = load_held_out(path, labels)
    given = rows[[f"p_{label}" for label in labels]].to_numpy(np.float64)
    return fit_prior_shift(
        calibration.apply(given),
        rows["label"].map(labels.index).to_numpy(np.int64),
        rows["cluster"],
        calibration.target_accuracy,
        np.array(shares),
        relative=relative,
    )


def shift_answer(answer: Answer, model: Model) -> Answer:
    """Return the answer of a shifted model from that of the model as it was trained.

    An image that is surely of none of the classes that occur is predicted as that, and not promised
    to be right; its probabilities sum to that of these classes. One that is more probably of
    another class is not sure.

    Args:
        answer: The answer.
        model: The model.
    """
    shift = model.shift
    given = answer.prediction.probabilities
    if shift is None or given is None:
        return answer
    unlike = answer.prediction.unlike
    outside = float(shift.outside(given))
    probabilities = shift.apply(given)
    calibration = Calibration(threshold=shift.threshold)
    never_sure = unlike or outside > 0.5  # other classes are more probable
    found = model.head.answer(probabilities, model.labels, calibration, unlike=never_sure)
    if shift.outside_limit is not None and outside > shift.outside_limit:
        found = replace(found, label=NONE, confidence=outside, sure=False if unlike else None)
        probabilities *= 1 - outside
    prediction = Prediction(**asdict(found), probabilities=probabilities, unlike=unlike)
    return replace(answer, prediction=prediction)
