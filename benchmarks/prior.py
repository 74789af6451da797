"""Shift the shares of the classes, and measure predictions with and without the new shares.

Simulated models of 5 and 10 classes with calibrated or overconfident predictions, an accuracy of
about 0.80 to 0.90, skewed classes, and 300 to 3,000 held-out images; and the project's model on its
held-out and test images. The new shares are drawn from Dirichlet distributions. A promise is broken
if the accuracy of sure predictions, at the new shares, is below the target of 0.95. For comparison:
class frequencies instead of the mean probabilities as shares that the model assumes, and held-out
images that all count the same. Last, of the project's classes, two or more are named at random.

    make bench-prior               QUICK=1 for a short one
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import PROJECT, sized
from scipy.special import softmax

from pixmill.core.files.writing import read_json
from pixmill.metrics.calibration import Calibration, best_threshold
from pixmill.metrics.prior_shift import PriorShift, fit_prior_shift
from pixmill.metrics.probabilities import losses

SHIFTS = sized(1000, 200, 6)
POPULATION = sized(30_000, 30_000, 3000)
TARGET = 0.95
IMAGES = (300, 1000, 3000)

Floats = npt.NDArray[np.float64]
Targets = npt.NDArray[np.int64]
Part = tuple[Floats, Targets]


def simulate(generator: np.random.Generator) -> tuple[Part, Part]:
    """Return probabilities and classes of held-out images, and of a population."""
    classes = int(generator.choice([5, 10]))
    shares = generator.dirichlet(np.full(classes, 3.0))
    spread = generator.uniform(4, 8)
    sharpness = generator.choice([1.0, 1.3])

    def draw(images: int) -> Part:
        logits = generator.normal(0, spread, (images, classes)) + np.log(shares)
        actual = (generator.random((images, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(
            axis=1
        )
        return softmax(logits * sharpness, axis=1), np.minimum(actual, classes - 1)

    return draw(int(generator.choice(IMAGES))), draw(POPULATION)


def by_frequencies(held_out: Part, shares: Floats) -> PriorShift:
    """Return the shift if the model assumed the class frequencies."""
    given, actual = held_out
    frequencies = np.bincount(actual, minlength=len(shares)) / len(actual)
    found = fit_prior_shift(given, actual, np.arange(len(actual)), TARGET, shares)
    return PriorShift(
        tuple((shares / np.maximum(frequencies, 1e-12)).tolist()), found.threshold, None
    )


def unweighted(held_out: Part, shares: Floats) -> PriorShift:
    """Return the shift with the threshold of images that all count the same."""
    given, actual = held_out

    found = pixmill(held_out, shares)
    threshold = as_before((found.apply(given), actual), shares).threshold
    return PriorShift(found.ratios, threshold, None)


def pixmill(held_out: Part, shares: Floats) -> PriorShift:
    """Return the shift that predict applies."""
    given, actual = held_out
    return fit_prior_shift(given, actual, np.arange(len(actual)), TARGET, shares)


def as_before(held_out: Part, shares: Floats) -> PriorShift:
    """Return the model without other shares."""
    given, actual = held_out
    right = given.argmax(axis=1) == actual
    threshold = best_threshold(given.max(axis=1), right, np.arange(len(actual)), TARGET)
    return PriorShift((1.0,) * len(shares), threshold, None)


RULES = {
    "pixmill": pixmill,
    "class frequencies": by_frequencies,
    "images unweighted": unweighted,
    "as before": as_before,
}


def measure(held_out: Part, others: Part, shares: Floats) -> list[dict[str, Any]]:
    """Return one row per rule: loss, and accuracy and share of sure predictions, at the shares."""
    given, actual = others
    counts = np.bincount(actual, minlength=len(shares))
    weights = (shares / np.maximum(counts, 1))[actual]
    rows: list[dict[str, Any]] = []
    for name, rule in RULES.items():
        shift = rule(held_out, shares)
        found = shift.apply(given)
        sure = found.max(axis=1) >= (shift.threshold or 2)
        right = found.argmax(axis=1) == actual
        rows.append(
            {
                "rule": name,
                "loss": np.average(losses(actual, found), weights=weights),
                "sure": np.average(sure, weights=weights),
                "kept": not sure.any() or np.average(right[sure], weights=weights[sure]) >= TARGET,
            }
        )
    for row in rows:
        row["lower"] = row["loss"] < rows[-1]["loss"]
    return rows


def read_project() -> tuple[Part, Part]:
    """Return calibrated predictions of the project's held-out and of its test images."""
    if not (PROJECT / "artifacts" / "evaluate").is_dir():
        raise SystemExit(f"{PROJECT} has no results; next: make repro")
    trained = PROJECT / "artifacts" / "train"
    labels = read_json(trained / "labels.json", stage="train")["labels"]
    calibration = Calibration(**read_json(trained / "calibration.json", stage="train"))
    columns = [f"p_{label}" for label in labels]

    def part(table: pd.DataFrame, given: Floats) -> Part:
        return given, np.array([labels.index(label) for label in table["label"]])

    held_out = pd.read_parquet(trained / "held_out.parquet")
    tests = pd.read_parquet(PROJECT / "artifacts" / "evaluate" / "predictions.parquet")
    tests = tests[tests["split"] == "test"]
    return (
        part(held_out, calibration.apply(held_out[columns].to_numpy(np.float64))),
        part(tests, tests[columns].to_numpy(np.float64)),
    )


def mask(held_out: Part, tests: Part, generator: np.random.Generator) -> dict[str, float]:
    """Return how many images of the named classes and of others are "none of these"."""
    given, actual = tests
    classes = given.shape[1]
    named = generator.permutation(classes) < generator.integers(2, classes)
    known, truth = held_out
    shift = fit_prior_shift(
        known, truth, np.arange(len(truth)), TARGET, named.astype(float), relative=True
    )
    none = shift.outside(given) > (shift.outside_limit if shift.outside_limit is not None else 1)
    inside = named[actual]
    return {"false": none[inside].mean(), "found": none[~inside].mean()}


def summarise(title: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Print and return the means by rule."""
    table = pd.DataFrame(rows).groupby("rule", sort=False).mean(numeric_only=False)
    print(f"{title}\n{table.astype(float).round(3).to_string()}", end="\n\n")
    return table


def main() -> None:
    """Print the tables, and as JSON the shares of shifts with a lower loss and a kept promise."""
    generator = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for _ in range(SHIFTS):
        held_out, others = simulate(generator)
        shares = generator.dirichlet(np.full(held_out[0].shape[1], generator.choice([0.3, 1, 3])))
        rows += measure(held_out, others, shares)
    simulated = summarise("simulated", rows)
    held_out, tests = read_project()
    rows = []
    for _ in range(SHIFTS):
        shares = generator.dirichlet(np.ones(held_out[0].shape[1]))
        rows += measure(held_out, tests, shares)
    bundled = summarise("the project's", rows)
    masks = pd.DataFrame([mask(held_out, tests, generator) for _ in range(SHIFTS)]).mean()
    print(f"some classes\n{masks.round(3).to_string()}", end="\n\n")
    print(
        json.dumps(
            {
                "lower loss": round(float(simulated.loc["pixmill", "lower"]), 4),
                "promise kept": round(float(simulated.loc["pixmill", "kept"]), 4),
                "promise kept before": round(float(simulated.loc["as before", "kept"]), 4),
                "lower loss, project": round(float(bundled.loc["pixmill", "lower"]), 4),
                "others found": round(float(masks["found"]), 4),
                "others found, false": round(float(masks["false"]), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
