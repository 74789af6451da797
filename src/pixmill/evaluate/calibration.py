"""Confidence that can be taken at its word, and where the model should say "not sure"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pixmill.evaluate.predictions import class_indices, probabilities_of
from pixmill.metrics import (
    best_temperature,
    coverage_curve,
    covered,
    expected_calibration_error,
    losses,
    reliability,
    share_interval,
    sure_enough,
    tempered,
)

__all__ = ["Calibration", "calibrate"]


@dataclass(frozen=True)
class Calibration:
    """Hold what the validation part teaches about the model's confidence, and what that is worth on the test part.

    Args:
        metrics: Entries of ``metrics/evaluate.json``: ``temperature``, of validation (null where none is best, and then
            confidence stays as it is); ``calibrated``, the test part's ``log_loss`` and ``ece`` at that temperature;
            ``threshold``, of validation: the calibrated confidence below which the model is "not sure" (0: never; null:
            always, since no threshold gives what is asked for); and of the test part ``coverage``, the share that gets
            an answer, and ``covered_accuracy`` with its limits, the share of these answers that are right.
        reliability: Rows as of :func:`pixmill.metrics.reliability` of the test part, first (``calibrated`` is false) as
            the model says it, then (true) at the temperature.
        coverage: Rows as of :func:`pixmill.metrics.coverage_curve`, each with its ``split``: ``test``, then ``val``.
    """

    metrics: dict[str, Any]
    reliability: pd.DataFrame
    coverage: pd.DataFrame


def calibrate(
    predictions: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    *,
    target: float,
    draws: int,
    confidence: float,
) -> Calibration:
    """Find a temperature and a threshold on the validation part, and measure both on the test part.

    Args:
        predictions: One row a picture, as :func:`pixmill.evaluate.predictions.predict_parts` returns them.
        groups: The cluster of each picture, by id: near-duplicates share one, and pictures of one given group.
        labels: The classes in the order of the model's outputs.
        target: The share of answers that shall be right.
        draws: How often the limits' bootstrap resamples.
        confidence: Confidence of the limits, such as 0.95.
    """
    tables = {name: predictions[predictions["split"] == name] for name in ("test", "val")}
    actual = {name: class_indices(table["label"], labels) for name, table in tables.items()}
    said = {name: probabilities_of(table, labels) for name, table in tables.items()}
    temperature = best_temperature(actual["val"], said["val"])
    calibrated = {name: tempered(values, temperature or 1.0) for name, values in said.items()}
    sure = {name: values.max(axis=1) for name, values in calibrated.items()}
    right = {name: (table["label"] == table["predicted"]).to_numpy(bool) for name, table in tables.items()}

    threshold = sure_enough(sure["val"], right["val"], target)
    found = covered(sure["test"], right["test"], threshold)
    low, high = None, None
    if found.accuracy is not None:
        members, _ = pd.factorize(tables["test"]["id"].map(groups)[found.answered])
        low, high = share_interval(right["test"][found.answered], members, draws=draws, confidence=confidence)
    tables_of = {flag: reliability(actual["test"], kept["test"]) for flag, kept in ((False, said), (True, calibrated))}
    curves = {name: coverage_curve(sure[name], right[name]) for name in tables}
    return Calibration(
        metrics={
            "temperature": temperature,
            "calibrated": {
                "log_loss": float(np.mean(losses(actual["test"], calibrated["test"]))),
                "ece": expected_calibration_error(actual["test"], calibrated["test"]),
            },
            "threshold": threshold,
            "coverage": found.coverage,
            "covered_accuracy": found.accuracy,
            "covered_accuracy_low": low,
            "covered_accuracy_high": high,
        },
        reliability=pd.concat([table.assign(calibrated=flag) for flag, table in tables_of.items()], ignore_index=True),
        coverage=pd.concat([table.assign(split=name) for name, table in curves.items()], ignore_index=True),
    )
