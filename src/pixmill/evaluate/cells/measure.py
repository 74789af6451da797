"""Metrics of ``plots/evaluate/full.json`` of several labels an image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import YES, to_matrix
from pixmill.evaluate.measure import covered, widened
from pixmill.evaluate.predictions import is_cross_fitted, probabilities_of
from pixmill.metrics.cell_calibration import CellCalibration
from pixmill.metrics.cells import CellAnswers, ranked_labels
from pixmill.metrics.confidence import coverage_curve, reliability_of

_AVERAGE = "mean_average_precision"

_HEADLINE = (
    _AVERAGE,
    f"{_AVERAGE}_low",
    f"{_AVERAGE}_high",
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
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return the metrics of the test split, and curves of its known cells by plot name.

    Limits are named ``<name>_low`` and ``<name>_high``. ``baseline_average_precision`` is that
    without a model, the mean share of yes; ``coverage`` the share of sure answers, ``None`` without
    a promise, and ``covered_accuracy`` their accuracy. ``per_class`` has the metrics of each label,
    with its ``coverage``, and for both sides, such as ``sure_yes``, the limit, the number of sure
    answers whose cell is known, and their accuracy. ``val`` and ``train`` are metrics on the other
    held-out images, and on those that the model was fitted to. With cross-fitting,
    ``cross_validation`` has the mean average precision over all held-out images; otherwise it is
    ``None``; see :func:`pixmill.evaluate.measure.measure`.

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
    tested = predictions[predictions["split"] == "test"]
    members = tested["id"].map(groups).to_numpy()
    answers = cell_answers(tested, labels, thresholds)
    known = answers.known
    found = answers.limited_scores(members, labels, **resampling)
    shares = (answers.cells == YES).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    ranked = shares[ranked_labels(answers.cells)]
    held_out = predictions[predictions["held_out"]]
    crossed = None
    splits = ["train"]
    if is_cross_fitted(predictions):
        splits = ["train", "val"]
        every = cell_answers(held_out, labels, thresholds)
        clusters = held_out["id"].map(groups)
        crossed = widened(_AVERAGE, every.limited_scores(clusters, labels, **resampling))
    for name, table in (
        ("val", held_out[held_out["split"] != "test"]),
        ("train", in_sample[in_sample["split"].isin(splits)]),
    ):
        found[name] = cell_answers(table, labels, thresholds).scores()
    right = answers.right
    certainty = answers.certainty[known]
    unlike = tested["unlike"].fillna(False).to_numpy(bool)
    sure, _ = calibration.sure(answers.probabilities, unlike[:, None])
    coverage = sure.mean(axis=0)
    for place, (label, *limits) in enumerate(
        zip(labels, calibration.sure_no, calibration.sure_yes, strict=True)
    ):
        row = found["per_class"][label]
        row["coverage"] = None if limits == [None, None] else float(coverage[place])
        for side, name in enumerate(("sure_no", "sure_yes")):
            chosen = (sure & known & (answers.yes == side))[:, place]
            row |= {name: limits[side], f"{name}_n": int(chosen.sum())}
            row |= covered(f"{name}_accuracy", right[chosen, place], members[chosen], **resampling)
    promised = any(row["coverage"] is not None for row in found["per_class"].values())
    of_sure = members[np.nonzero(sure & known)[0]]
    return {
        **found,
        **covered("covered_accuracy", right[sure & known], of_sure, **resampling),
        "coverage": float(coverage.mean()) if promised else None,
        "baseline_average_precision": float(ranked.mean()) if len(ranked) else None,
        "cross_validation": crossed,
        "temperatures": calibration.temperatures
        and dict(zip(labels, calibration.temperatures, strict=True)),
    }, {
        "calibrated": reliability_of(certainty, right[known]),
        "coverage": coverage_curve(certainty, right[known]),
    }


def cells_headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``metrics/evaluate.json``.

    Args:
        metrics: Result of :func:`measure_cells`.
    """
    return {name: metrics[name] for name in _HEADLINE}


def cell_answers(
    predictions: pd.DataFrame, labels: Sequence[str], thresholds: Sequence[float]
) -> CellAnswers:
    """Return predictions as arrays.

    Args:
        predictions: Columns as in :func:`pixmill.evaluate.predictions.predictions_schema`.
        labels: The labels.
        thresholds: Probability from which the answer is yes, by label.
    """
    values = probabilities_of(predictions, labels).astype(np.float64)
    return CellAnswers(to_matrix(predictions["label"], labels), values, thresholds)
