"""Metrics of ``plots/evaluate/full.json`` of several labels an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import NO, UNKNOWN, YES, to_matrix
from pixmill.evaluate.measure import held_out_tables, with_sides
from pixmill.evaluate.predictions import is_cross_fitted, probabilities_of
from pixmill.metrics.cell_calibration import CellCalibration
from pixmill.metrics.cells import cell_limits, cell_scores, label_scores, ranked_labels
from pixmill.metrics.confidence import coverage_curve, reliability_of
from pixmill.metrics.limits import accuracy_interval

_HEADLINE = (
    "mean_average_precision",
    "mean_average_precision_low",
    "mean_average_precision_high",
    "exact_match",
    "log_loss",
    "ece",
    "n",
    "baseline_average_precision",
)


def measure_cells(
    predictions: pd.DataFrame,
    in_sample: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    calibration: CellCalibration,
    *,
    draws: int,
    confidence: float,
) -> dict[str, Any]:
    """Return the metrics of the test split, and under ``val`` of the other held-out images.

    Limits are named ``<name>_low`` and ``<name>_high``. ``per_class`` has those of each label, with
    its sure answers (:func:`_sure`); ``baseline_average_precision`` is that without a model, the
    mean share of yes; ``train`` metrics on the images that the model was fitted to.

    Args:
        predictions: Calibrated, held out where possible.
        in_sample: Calibrated, by the delivered model.
        groups: Cluster by image id.
        labels: The labels.
        calibration: The model's calibration.
        draws: Number of bootstrap samples.
        confidence: Confidence level of the limits, such as 0.95.
    """
    resampling: dict[str, Any] = {"draws": draws, "confidence": confidence}
    thresholds = calibration.thresholds
    measured: dict[str, dict[str, Any]] = {}
    for name, table in held_out_tables(predictions).items():
        given = to_matrix(table["label"], labels), probabilities_of(table, labels)
        members = table["id"].map(groups)
        limits, of_labels = cell_limits(
            *given, members, labels, thresholds=thresholds, **resampling
        )
        measured[name] = {
            **cell_scores(*given, thresholds),
            **with_sides(limits),
            "per_class": {
                label: row | with_sides(of_labels[label])
                for label, row in label_scores(*given, thresholds, labels).items()
            },
        }
    tested = held_out_tables(predictions)["test"]
    for label, row in _sure(tested, groups, labels, calibration, **resampling).items():
        measured["test"]["per_class"][label] |= row
    splits = ["train", "val"] if is_cross_fitted(predictions) else ["train"]
    fitted = in_sample[in_sample["split"].isin(splits)]
    training = cell_scores(
        to_matrix(fitted["label"], labels), probabilities_of(fitted, labels), thresholds
    )
    cells = to_matrix(tested["label"], labels)
    shares = (cells == YES).sum(axis=0) / np.maximum((cells != UNKNOWN).sum(axis=0), 1)
    ranked = shares[ranked_labels(cells)]
    del measured["val"]["per_class"]
    return {
        **measured["test"],
        "baseline_average_precision": float(ranked.mean()) if len(ranked) else None,
        "val": measured["val"],
        "train": {name: training[name] for name in ("mean_average_precision", "log_loss", "n")},
        "temperatures": calibration.temperatures
        and dict(zip(labels, calibration.temperatures, strict=True)),
    }


def cells_headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``metrics/evaluate.json``.

    Args:
        metrics: Result of :func:`measure_cells`.
    """
    return {name: metrics[name] for name in _HEADLINE}


def answer_curves(
    tested: pd.DataFrame, labels: Sequence[str], calibration: CellCalibration
) -> dict[str, pd.DataFrame]:
    """Return reliability and coverage of the known cells by plot name.

    Args:
        tested: Calibrated predictions of the test split.
        labels: The labels.
        calibration: The model's calibration.
    """
    cells = to_matrix(tested["label"], labels)
    values = probabilities_of(tested, labels).astype(np.float64)
    yes = calibration.answers(values)
    known = cells != UNKNOWN
    certainty = np.where(yes, values, 1 - values)[known]
    right = (yes == (cells == YES))[known]
    return {
        "calibrated": reliability_of(certainty, right),
        "coverage": coverage_curve(certainty, right),
    }


def _sure(
    tested: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    calibration: CellCalibration,
    *,
    draws: int,
    confidence: float,
) -> dict[str, dict[str, Any]]:
    """Return the sure answers of each label.

    Those are ``coverage``, the share of images with a sure answer, ``None`` without a promise; and
    for both sides, such as ``sure_yes``, the limit, the number of sure answers whose cell is known,
    and their accuracy with its limits.
    """
    cells = to_matrix(tested["label"], labels)
    values = probabilities_of(tested, labels).astype(np.float64)
    yes = calibration.answers(values)
    unlike = tested["unlike"].fillna(False).tolist()
    pairs = zip(values, unlike, strict=True)
    # Without a promise, None: not sure.
    sure = np.array([calibration.sure(row, unlike=foreign) for row, foreign in pairs], bool)
    members = tested["id"].map(groups).to_numpy()
    found: dict[str, dict[str, Any]] = {}
    for place, label in enumerate(labels):
        limits = calibration.sure_yes[place], calibration.sure_no[place]
        promised = limits != (None, None)
        row: dict[str, Any] = {"coverage": float(sure[:, place].mean()) if promised else None}
        for side, limit in zip((YES, NO), limits, strict=True):
            name = "sure_yes" if side else "sure_no"
            chosen = sure[:, place] & (yes[:, place] == side) & (cells[:, place] != UNKNOWN)
            right = cells[chosen, place] == side
            accuracy = None
            between = None
            if chosen.any():
                accuracy = float(right.mean())
                between = accuracy_interval(
                    right, members[chosen], draws=draws, confidence=confidence
                )
            row |= {name: limit, f"{name}_n": len(right), f"{name}_accuracy": accuracy}
            row |= with_sides({f"{name}_accuracy": between})
        found[label] = row
    return found
