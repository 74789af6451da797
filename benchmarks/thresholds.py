"""Simulate models and validation splits, and evaluate rules for the threshold of "sure" predictions.

Models of 5 classes with an accuracy of .80, .90, .949 and .97, whose confidence is calibrated, too
high or too low (logits doubled or halved, without fitted temperature), or uninformative; 60 to
2,000 validation images; targets of .9, .95 and .99. A rule fails if it finds a threshold and the
true accuracy of the predictions at or above it is below the target. Foreign inputs, of none of the
classes, have half the logits; their predictions are all wrong.

    make bench-thresholds          QUICK=1 for a short one
"""

import json
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import binom

from pixmill.metrics.calibration import best_threshold

ROUNDS = {"": 200, "tiny": 1}.get(os.environ.get("QUICK", ""), 20)
ACCURACIES = (0.80, 0.90, 0.949, 0.97)
TARGETS = (0.9, 0.95, 0.99)
IMAGES = (60, 170, 500, 2000)
KINDS = {"calibrated": 1.0, "overconfident": 2.0, "underconfident": 0.5, "says nothing": 1.0}

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, npt.NDArray[np.bool_], float], float | None]


def searched(
    confidence: Floats, right: npt.NDArray[np.bool_], target: float, floor: float = 0.0
) -> float | None:
    """Return the lowest confidence, not below a floor, that passes the exact test; every confidence is tested."""
    order = np.argsort(-confidence)
    answers = np.arange(1, len(order) + 1)
    passed = binom.sf(np.cumsum(right[order]) - 1, answers, target) <= 0.05
    places = np.flatnonzero(passed & (confidence[order] >= floor))
    return float(confidence[order][places[-1]]) if len(places) else None


def zero_if_all(confidence: Floats, right: npt.NDArray[np.bool_], target: float) -> float | None:
    """Return 0 if all predictions together pass."""
    found = searched(confidence, right, target)
    return 0.0 if found == confidence.min() else found


RULES: dict[str, Rule] = {
    "every confidence, 0 if all pass": zero_if_all,
    "every confidence": searched,
    "every confidence from the target on": lambda confidence, right, target: searched(
        confidence, right, target, target
    ),
    "pixmill": lambda confidence, right, target: best_threshold(
        confidence, right, np.arange(len(right)), target
    ),
}


def simulate(
    accuracy: float, kind: str, logits: Floats, generator: np.random.Generator
) -> list[dict[str, object]]:
    """Return one row per rule, target, number of images and round."""
    scale = brentq(
        lambda value: softmax(value * logits, axis=1).max(axis=1).mean() - accuracy, 0.1, 100
    )
    truth = softmax(scale * logits, axis=1).max(axis=1)
    confidence = softmax(KINDS[kind] * scale * logits, axis=1).max(axis=1)
    if kind == "says nothing":
        truth = np.full(len(truth), accuracy)
    order = np.argsort(-confidence)
    reached = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    foreign = np.sort(
        softmax(0.5 * KINDS[kind] * scale * generator.permuted(logits, axis=1), axis=1).max(axis=1)
    )
    rows: list[dict[str, object]] = []
    for images in IMAGES:
        for _ in range(ROUNDS):
            chosen = generator.integers(0, len(truth), images)
            right = generator.random(images) < truth[chosen]
            for target in TARGETS:
                for name, rule in RULES.items():
                    found = rule(confidence[chosen], right, target)
                    limit = np.inf if found is None else found
                    answers = int(np.searchsorted(-confidence[order], -limit, side="right"))
                    unseen = foreign < confidence[chosen].min()
                    rows.append(
                        {
                            "rule": name,
                            "accuracy": accuracy,
                            "kind": kind,
                            "target": target,
                            "images": images,
                            "found": found is not None,
                            "coverage": answers / len(truth),
                            "failed": answers > 0 and reached[answers - 1] < target,
                            "foreign": np.mean(foreign >= limit),
                            "unseen": np.mean(foreign[unseen] >= limit) if unseen.any() else 0.0,
                        }
                    )
    return rows


def main() -> None:
    """Print the tables, and as JSON each rule's coverage and its highest share of failures."""
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 1, (20_000, 5))
    table = pd.DataFrame(
        row
        for accuracy in ACCURACIES
        for kind in KINDS
        for row in simulate(accuracy, kind, logits, generator)
    )
    cells = ["accuracy", "kind", "target", "images"]
    means = table.groupby(["rule", *cells], sort=False).mean(numeric_only=True).reset_index()
    by_rule = means.groupby("rule", sort=False)
    summary = by_rule[["found", "coverage", "failed", "foreign", "unseen"]].mean()
    summary.insert(3, "failed_most", by_rule["failed"].max())
    sections = [
        summary,
        means.pivot_table("coverage", "kind", "rule", sort=False),
        means.pivot_table("failed", "kind", "rule", "max", sort=False),
        means[means["target"] == 0.95].pivot_table(
            "coverage", ["accuracy", "images"], "rule", sort=False
        ),
    ]
    for section in sections:
        print(section.round(3).to_string(), end="\n\n")
    print(
        json.dumps(
            {
                name: [round(float(row[key]), 3) for key in ("coverage", "failed_most")]
                for name, row in summary.iterrows()
            }
        )
    )


if __name__ == "__main__":
    main()
