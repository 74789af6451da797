"""Labels that a model misses, and labels too much."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.evaluate.cells.measure import cell_answers

_NAMED = 3
"""Number of labels that are named for one that is missed."""


def find_errors(
    tested: pd.DataFrame, labels: Sequence[str], thresholds: Sequence[float]
) -> pd.DataFrame:
    """Return one row per wrong cell of the test split, most confident error first.

    Args:
        tested: Columns as in :func:`pixmill.evaluate.predictions.predictions_schema`.
        labels: The labels.
        thresholds: Probability from which the answer is yes, by label.

    Returns:
        Columns ``id``, ``split``, ``label``, ``kind`` (``missed`` or ``too much``),
        ``probability`` of yes, and the cells ``has`` and ``answered`` of the image.
    """
    answers = cell_answers(tested, labels, thresholds)
    rows, columns = np.nonzero(answers.known & ~answers.right)
    values = answers.probabilities[rows, columns]
    kinds = np.where(answers.yes[rows, columns], "too much", "missed")
    names = {"label": "has", "predicted": "answered"}
    images = tested[["id", "split", *names]].rename(columns=names).iloc[rows]
    found = images.assign(
        label=np.asarray(labels, object)[columns],
        kind=kinds,
        probability=values,
        doubt=np.where(kinds == "missed", values, 1 - values).round(6),
    )
    return found.sort_values(["doubt", "id", "label"], ignore_index=True)


def count_errors(errors: pd.DataFrame, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what images show whose label is missed, by label.

    Args:
        errors: Result of :func:`find_errors`.
        labels: The labels.

    Returns:
        ``missed`` and ``too_much``, numbers of images; ``instead``, the labels that are most often
        answered too much where this one is missed, and ``together``, those that are missed with
        it: number of images by label, most frequent first.
    """
    found: dict[str, dict[str, Any]] = {
        label: {"missed": 0, "too_much": 0, "instead": {}, "together": {}} for label in labels
    }
    for label, kind in errors[["label", "kind"]].itertuples(index=False):
        found[label][kind.replace(" ", "_")] += 1
    pairs = errors[errors["kind"] == "missed"].merge(errors, on="id", suffixes=("", "_with"))
    pairs = pairs[pairs["label"] != pairs["label_with"]]
    together = Counter(
        pairs[["label", "kind_with", "label_with"]].itertuples(index=False, name=None)
    )
    for (label, kind, other), count in together.most_common():
        named = found[label]["together" if kind == "missed" else "instead"]
        if len(named) < _NAMED:
            named[other] = count
    return found
