"""The figures of ``metrics/evaluate.json``, from the predictions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.metrics import accuracy_interval, class_scores, majority_accuracy, scores

__all__ = ["as_tracked", "measure"]


def measure(
    predictions: pd.DataFrame, groups: pd.Series, labels: Sequence[str], *, draws: int, confidence: float
) -> dict[str, Any]:
    """Return the figures: those of the test part at the top, those of validation under ``val``.

    ``train`` says how the model does on the very pictures it was fitted to: what lies between that and the test part is
    learnt by heart.

    Args:
        predictions: One row a picture, as :func:`pixmill.evaluate.predictions.predict_parts` returns them.
        groups: The group of near-duplicates of each picture, by id.
        labels: The classes in the order of the model's outputs.
        draws: How often the interval's bootstrap resamples.
        confidence: Confidence of the interval, such as 0.95.
    """
    parts = {str(name): table for name, table in predictions.groupby("split")}
    actual = {name: class_indices(table["label"], labels) for name, table in parts.items()}
    overall = {name: scores(actual[name], probabilities_of(table, labels)) for name, table in parts.items()}
    for name in ("test", "val"):
        table = parts[name]
        right = (table["label"] == table["predicted"]).to_numpy(bool)
        members, _ = pd.factorize(table["id"].map(groups))
        low, high = accuracy_interval(right, members, draws=draws, confidence=confidence)
        overall[name] |= {"accuracy_low": low, "accuracy_high": high}
    return {
        **overall["test"],
        "per_class": class_scores(actual["test"], class_indices(parts["test"]["predicted"], labels), labels),
        "baseline": {"majority_accuracy": majority_accuracy(actual["train"], actual["test"])},
        "val": overall["val"],
        "train": {name: overall["train"][name] for name in ("accuracy", "log_loss", "n")},
    }


def as_tracked(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the test part's figures as MLflow takes them: ``test_<name>``, and of each class only ``test_f1.<label>``.

    The names ``val_*`` belong to the curves of training there.

    Args:
        metrics: As :func:`measure` returns them.
    """
    overall = {f"test_{name}": value for name, value in metrics.items() if not isinstance(value, Mapping)}
    return overall | {f"test_f1.{label}": row["f1"] for label, row in metrics["per_class"].items()}
