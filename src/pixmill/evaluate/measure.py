"""Metrics of ``plots/evaluate/full.json``, from predictions and calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.process.progress import track
from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.metrics.calibration import Calibration
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.limits import accuracy_interval, score_limits
from pixmill.metrics.probabilities import normalise
from pixmill.metrics.scores import class_scores, majority_accuracy, scores


def measure(
    predictions: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    *,
    draws: int,
    confidence: float,
    top_k: int = 2,
) -> dict[str, Any]:
    """Return the metrics: test split at the top level, validation split under ``val``, training split under ``train``.

    Confidence limits are named ``<name>_low`` and ``<name>_high``. The gap between ``train`` and the test split
    measures overfitting.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.apply_calibration`. Log-loss and ECE of the
            validation split are slightly optimistic, because the temperature was fitted on it.
        groups: Cluster by image id; near-duplicates and images of one given group share a cluster.
        labels: The classes in the order of the model's outputs.
        draws: Number of bootstrap samples.
        confidence: Confidence level of the limits, such as 0.95.
        top_k: The k of ``top_<k>_accuracy``.
    """
    parts = {str(name): table for name, table in predictions.groupby("split")}
    actual = {name: class_indices(table["label"], labels) for name, table in parts.items()}
    measured: dict[str, dict[str, Any]] = {}
    for name in track(("test", "val"), "Confidence intervals", 2, unit="split"):
        table = parts[name]
        probabilities = probabilities_of(table, labels)
        right = (table["label"] == table["predicted"]).to_numpy(bool)
        members, _ = pd.factorize(table["id"].map(groups))
        limits, of_classes = score_limits(
            actual[name], probabilities, members, labels, draws=draws, confidence=confidence, top_k=top_k
        )
        limits["accuracy"] = accuracy_interval(right, members, draws=draws, confidence=confidence)
        per_class = class_scores(actual[name], class_indices(table["predicted"], labels), labels)
        measured[name] = {
            **scores(actual[name], probabilities, top_k=top_k),
            **_with_sides(limits),
            "per_class": {label: row | _with_sides(of_classes[label]) for label, row in per_class.items()},
        }
    del measured["val"]["per_class"]
    trained = scores(actual["train"], probabilities_of(parts["train"], labels))
    return {
        **measured["test"],
        "baseline": {"majority_accuracy": majority_accuracy(actual["test"])},
        "val": measured["val"],
        "train": {name: trained[name] for name in ("accuracy", "log_loss", "n")},
    }


def measure_confidence(
    predictions: pd.DataFrame,
    uncalibrated: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    calibration: Calibration,
    *,
    draws: int,
    confidence: float,
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Measure the calibration on the test split, which was not used to fit it.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.apply_calibration`.
        uncalibrated: Result of :func:`pixmill.evaluate.predictions.predict_parts`, at least for the test split.
        groups: Cluster by image id; near-duplicates and images of one given group share a cluster.
        labels: The classes in the order of the model's outputs.
        calibration: The model's calibration.
        draws: Number of bootstrap samples.
        confidence: Confidence level of the limits, such as 0.95.

    Returns:
        Entries of ``plots/evaluate/full.json``: ``temperature`` and ``threshold`` of the model, fitted on the
        validation split; ``confidence``, the mean on the test split; ``uncalibrated``, the ``log_loss``, ``ece`` and
        mean ``confidence`` of the test split without the temperature; ``coverage``, the share of answered test images;
        ``covered_accuracy`` with its limits, the accuracy of the answered ones. The last four are ``None`` without a
        threshold.

        Curves by plot name. ``calibrated`` and ``uncalibrated``: results of
        :func:`pixmill.metrics.confidence.reliability` on the test split, after and before temperature scaling;
        ``coverage`` and ``coverage_val``: results of :func:`~pixmill.metrics.confidence.coverage_curve` on the test and
        validation splits. They are separate tables because DVC plots missing values of a joint table as zero.
    """
    tables = {name: predictions[predictions["split"] == name] for name in ("test", "val")}
    before, after = uncalibrated[uncalibrated["split"] == "test"], tables["test"]
    actual, given = class_indices(before["label"], labels), probabilities_of(before, labels)
    certainty = {name: normalise(probabilities_of(table, labels)).max(axis=1) for name, table in tables.items()}
    right = {name: (table["label"] == table["predicted"]).to_numpy(bool) for name, table in tables.items()}

    sure = certainty["test"] >= (np.inf if calibration.threshold is None else calibration.threshold)
    # The confidence of images unlike the training images is not trusted.
    sure &= ~tables["test"]["unlike"].fillna(False).to_numpy(bool)
    accuracy, low, high = None, None, None
    if sure.any():
        members, _ = pd.factorize(tables["test"]["id"].map(groups)[sure])
        accuracy = float(np.mean(right["test"][sure]))
        low, high = accuracy_interval(right["test"][sure], members, draws=draws, confidence=confidence)
    metrics = {
        "temperature": calibration.temperature,
        "confidence": float(np.mean(certainty["test"])),
        "uncalibrated": {
            **{name: scores(actual, given)[name] for name in ("log_loss", "ece")},
            "confidence": float(np.mean(normalise(given).max(axis=1))),
        },
        "threshold": calibration.threshold,
        "coverage": None if calibration.threshold is None else float(np.mean(sure)),
        "covered_accuracy": accuracy,
        "covered_accuracy_low": low,
        "covered_accuracy_high": high,
    }
    return metrics, {
        "calibrated": reliability(class_indices(after["label"], labels), probabilities_of(after, labels)),
        "uncalibrated": reliability(actual, given),
        "coverage": coverage_curve(certainty["test"], right["test"]),
        "coverage_val": coverage_curve(certainty["val"], right["val"]),
    }


def _with_sides(limits: Mapping[str, tuple[float, float] | None]) -> dict[str, float | None]:
    """Return limits as ``<name>_low`` and ``<name>_high``."""
    return {
        f"{name}_{side}": pair and pair[place]
        for name, pair in limits.items()
        for place, side in enumerate(("low", "high"))
    }


HEADLINE = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss", "ece", "n")


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``metrics/evaluate.json``: headline metrics of the test split.

    ``baseline_accuracy`` is the accuracy of always predicting the most common class of the test split.

    Args:
        metrics: Result of :func:`measure`.
    """
    return {name: metrics[name] for name in HEADLINE} | {"baseline_accuracy": metrics["baseline"]["majority_accuracy"]}
