"""Simulate models of several labels, and count the broken promises of sure answers.

Labels of 2 to 50 % yes, whose logits separate yes from no by 1 to 5 standard deviations and are
calibrated, doubled or halved (the temperature is fitted, too); 8 labels, a fifth of the cells
unknown, 300 to 3,000 images, in half of the simulations three copies of each, targets of .9 and
.95. A promise is broken if the true accuracy of a label's sure yes answers, or of its sure no
answers, is below the target. The share of simulations with any broken promise should be at most
5 %. For comparison: a test at 5 % for each side, and one for both sides of a label together.

    make bench-sure_labels         QUICK=1 for a short one
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import sized
from scipy.special import expit

from pixmill.metrics.calibration import best_threshold
from pixmill.metrics.cell_calibration import calibrate_cells

SIMULATIONS = sized(4000, 400, 12)
LABELS = 8
IMAGES = (300, 1000, 3000)
TARGETS = (0.9, 0.95)
SCALES = (1.0, 2.0, 0.5)
UNKNOWN = 0.2
COPIES = (1, 3)
POPULATION = 100_000

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
Limits = tuple[tuple[float | None, ...], tuple[float | None, ...]]
Rule = Callable[[Floats, npt.NDArray[np.int8], Groups, float], Limits]


def pixmill(values: Floats, cells: npt.NDArray[np.int8], groups: Groups, target: float) -> Limits:
    """Return the limits that train writes, on uncalibrated probabilities."""
    found = calibrate_cells(values, cells, groups, target, [0.5] * LABELS)
    each = found.temperatures or (1.0,) * LABELS

    def undone(limits: tuple[float | None, ...]) -> tuple[float | None, ...]:
        pairs = zip(limits, each, strict=True)
        return tuple(
            None if limit is None else float(expit(np.log(limit / (1 - limit)) * temperature))
            for limit, temperature in pairs
        )

    return undone(found.sure_yes), undone(found.sure_no)


def each_side(values: Floats, cells: npt.NDArray[np.int8], groups: Groups, target: float) -> Limits:
    """Return the limits of single tests at 5 %."""
    return _limits(values, cells, groups, target, together=False)


def both_sides(
    values: Floats, cells: npt.NDArray[np.int8], groups: Groups, target: float
) -> Limits:
    """Return the limits of one test at 5 % of both sides of a label."""
    return _limits(values, cells, groups, target, together=True)


def _limits(
    values: Floats, cells: npt.NDArray[np.int8], groups: Groups, target: float, *, together: bool
) -> Limits:
    found: list[list[float | None]] = [[], []]
    for place in range(LABELS):
        yes = values[:, place] >= 0.5
        for number, side in enumerate((yes, ~yes)):
            rows = np.flatnonzero((cells[:, place] >= 0) & (side | together))
            limit = None
            if len(rows):
                certainty = np.maximum(values[rows, place], 1 - values[rows, place])
                right = yes[rows] == cells[rows, place]
                limit = best_threshold(certainty, right, groups[rows], target)
            found[number].append(1 - limit if number and limit is not None else limit)
    return tuple(found[0]), tuple(found[1])


RULES: dict[str, Rule] = {
    "pixmill": pixmill,
    "each side at 5 %": each_side,
    "both sides together at 5 %": both_sides,
}


def simulate(generator: np.random.Generator) -> list[dict[str, object]]:
    """Return one row per rule."""
    shares = generator.choice([0.02, 0.1, 0.3, 0.5], LABELS)
    strengths = generator.uniform(1, 5, LABELS)
    # The share of yes moves the threshold: the mean of the logits is that of the log odds.
    logits = generator.normal(np.log(shares / (1 - shares)), strengths, (POPULATION, LABELS))
    truth = expit(logits)
    values = expit(logits * generator.choice(SCALES, LABELS))
    images = int(generator.choice(IMAGES))
    target = float(generator.choice(TARGETS))
    rows = generator.integers(0, POPULATION, images)
    cells = (generator.random((images, LABELS)) < truth[rows]).astype(np.int8)
    cells[generator.random(cells.shape) < UNKNOWN] = -1
    copies = int(generator.choice(COPIES))
    groups = np.repeat(np.arange(images), copies)
    rows = rows[groups]
    cells = cells[groups]
    found = []
    for name, rule in RULES.items():
        limits = rule(values[rows], cells, groups, target)
        broken = covered = 0
        for place in range(LABELS):
            column = values[:, place]
            for limit, side in zip(
                (limits[0][place], limits[1][place]), (True, False), strict=True
            ):
                if limit is not None:
                    sure = column >= limit if side else column <= limit
                    covered += sure.mean() / LABELS
                    right = truth[sure, place] if side else 1 - truth[sure, place]
                    broken += bool(sure.any() and right.mean() < target)
        found.append(
            {
                "rule": name,
                "images": images,
                "target": target,
                "any broken": broken > 0,
                "broken sides": broken,
                "promised sides": sum(limit is not None for side in limits for limit in side),
                "coverage": covered,
            }
        )
    return found


def main() -> None:
    """Print the tables, and as JSON each rule's share of simulations with a broken promise."""
    generator = np.random.default_rng(1)
    table = pd.DataFrame(row for _ in range(SIMULATIONS) for row in simulate(generator))
    summary = (
        table.groupby("rule", sort=False).mean(numeric_only=True).drop(columns=["images", "target"])
    )
    print(summary.round(3).to_string(), end="\n\n")
    for cell in ("any broken", "coverage"):
        shown = table.pivot_table(cell, ["images", "target"], "rule", sort=False).sort_index()
        print(f"{cell}\n{shown.round(3).to_string()}", end="\n\n")
    print(
        json.dumps({name: round(float(value), 4) for name, value in summary["any broken"].items()})
    )


if __name__ == "__main__":
    main()
