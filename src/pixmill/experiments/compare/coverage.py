"""Coverage and covered accuracy of each model at its own confidence threshold."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import EvaluateParams
from pixmill.experiments.compare.comparison import Revision
from pixmill.metrics.significance import Difference, paired_coverage


def find_answered(revision: Revision, ids: pd.Index, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_] | None:
    """Return which images a model answers: those that reach its threshold and are not unlike the training images.

    Args:
        revision: Revision with predictions.
        ids: Ids of the images.
        values: Calibrated probabilities, shape (images, classes).

    Returns:
        Mask of shape (images,); ``None`` if no threshold is recorded. A threshold of 0 means none, as in
        :class:`pixmill.metrics.Calibration`.
    """
    threshold, predictions = (revision.metrics or {}).get("threshold"), revision.predictions
    if not threshold or predictions is None:
        return None
    answered: npt.NDArray[np.bool_] = values.max(axis=1) >= threshold
    if "unlike" in predictions:
        answered &= ~ids.isin(predictions.loc[predictions["unlike"].eq(True), "id"])
    return answered


def compare_coverage(
    revisions: Sequence[Revision],
    ids: pd.Index,
    values: Sequence[npt.NDArray[np.float64]],
    right: Sequence[npt.NDArray[np.bool_]],
    clusters: npt.ArrayLike,
    evaluate: EvaluateParams,
    width: float = 1.0,
) -> tuple[dict[str, Difference], str]:
    """Compare two models, each at its own threshold.

    Args:
        revisions: Base and head.
        ids: Ids of the common images.
        values: Calibrated probabilities of base and head, shape (images, classes).
        right: Mask of correct predictions of base and head, shape (images,).
        clusters: Cluster of each image.
        evaluate: Confidence level and number of draws.
        width: As for :func:`pixmill.metrics.significance.paired_differences`.

    Returns:
        Coverage and covered accuracy by name, as :func:`pixmill.metrics.significance.paired_coverage` returns them, and
        an empty remark. Nothing without both thresholds, and a remark if one model has a threshold.
    """
    answered = [find_answered(*each) for each in zip(revisions, (ids, ids), values, strict=True)]
    first, second = answered
    if first is None or second is None:
        lacking = "base" if first is None else "head"
        remark = f"Coverage is not compared: plots/evaluate/full.json of the {lacking} has no confidence threshold."
        return {}, "" if first is second else remark
    thresholds = [(revision.metrics or {}).get("threshold") for revision in revisions]
    same = thresholds[0] == thresholds[1] and np.array_equal(values[0], values[1]) and np.array_equal(first, second)
    draws, level = evaluate.draws, evaluate.confidence
    found = paired_coverage(
        right, (first, second), clusters, draws=draws, confidence=level, identical=same, width=width
    )
    return found, ""
