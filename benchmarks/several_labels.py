"""Fit yes or no for several labels at once, against scikit-learn's OneVsRestClassifier.

The contestants get the same scaled features, split and strength of the penalty. Synthetic features of
rank 64 with noise have labels of 2 to 50 % yes; the bundled images have attributes of their classes
(sleeves, footwear, worn above, long) and whether they are dark, on the features of the default
backbone. Then a share of the training cells is blanked: as unknown, and as a wrong no.

    make bench-several_labels      QUICK=1 for a short one
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import machine, sized
from public_images import read_bundled
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from pixmill.core.params import TrainParams
from pixmill.heads import head_of
from pixmill.metrics.cells import CellAnswers
from pixmill.models.scaling import Scaling
from pixmill.train.logistic import fit_logistic

IMAGES = sized(10_000, 2_000, 300)
LABELS = sized(50, 20, 4)
WIDTH = sized(1280, 1280, 64)
ROUNDS = sized(1, 1, 1)
EACH = sized(1_000_000, 60, 20)
"""Maximum number of bundled images per class."""
THREADS = 2
BLANK = 0.4
PARAMS = TrainParams(model="features", threads=THREADS)
STRENGTH = 0.005
"""What train takes for features of several layers."""

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int8]


def synthetic() -> tuple[Features, Cells]:
    """Return features and cells, half of them to measure."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(2 * IMAGES, 64))
    features = hidden @ generator.normal(size=(64, WIDTH)) / 8
    features += generator.normal(size=features.shape) / 2
    logits = hidden @ generator.normal(size=(64, LABELS)) / 4
    shares = np.geomspace(0.02, 0.5, LABELS)
    logits += np.log(shares / (1 - shares))
    cells = (generator.random(logits.shape) < expit(2 * logits)).astype(np.int8)
    return features.astype(np.float32), cells


def bundled() -> tuple[Features, Cells]:
    """Return features and attributes of the bundled images, in random order."""
    from public_images import _features

    pixels, targets = read_bundled(EACH)
    coat, dress, shirt, sneaker, trouser = (targets == place for place in range(5))
    # Background is white.
    dark = pixels.mean(axis=(1, 2, 3)) < 190
    columns = [dark, coat | shirt | dress, sneaker, coat | shirt, coat | dress | trouser]
    order = np.random.default_rng(0).permutation(len(targets))
    return _features("bundled", pixels)[order], np.stack(columns, axis=1).astype(np.int8)[order]


def ours(features: Features, cells: Cells, measured: Features) -> Floats:
    """Return the probabilities of pixmill's head for other images."""
    found = fit_logistic(features, cells, PARAMS, head=head_of("labels"), labels=cells.shape[1])
    return expit(measured.astype(np.float64) @ found.kernel + found.bias)


def theirs(features: Features, cells: Cells, measured: Features) -> Floats:
    """Return those of OneVsRestClassifier."""
    scaling = Scaling.of(features, several=True)
    one = LogisticRegression(C=STRENGTH, max_iter=1000)
    # Workers use a thread each: faster than BLAS with several threads on products with a vector.
    head = OneVsRestClassifier(one, n_jobs=THREADS)
    head.fit(((features - scaling.mean) / scaling.deviation).astype(np.float32), cells)
    return np.asarray(head.predict_proba((measured - scaling.mean) / scaling.deviation))


def compare(name: str, features: Features, cells: Cells) -> list[dict[str, object]]:
    """Return one row per contestant: the median time, and metrics on the other half."""
    half = len(features) // 2
    rows = []
    seconds: dict[str, list[float]] = {"pixmill": [], "OneVsRestClassifier": []}
    for _ in range(ROUNDS):
        for title, fit in (("pixmill", ours), ("OneVsRestClassifier", theirs)):
            start = time.perf_counter()
            found = fit(features[:half], cells[:half], features[half:])
            seconds[title].append(time.perf_counter() - start)
            scores = CellAnswers(cells[half:], found, 0.5).scores()
            rows.append({"data": name, "contestant": title, **scores})
    table = pd.DataFrame(rows).drop_duplicates(["data", "contestant"])
    return [
        {**row, "seconds": float(np.median(seconds[row["contestant"]]))}
        for row in table.to_dict("records")
    ]


def blanked(name: str, features: Features, cells: Cells) -> list[dict[str, object]]:
    """Return the mean average precision with cells of the training half left out."""
    half = len(features) // 2
    gone = np.random.default_rng(1).random((half, cells.shape[1])) < BLANK
    given = {
        "all known": cells[:half],
        "40 % unknown": np.where(gone, -1, cells[:half]).astype(np.int8),
        "40 % as no": np.where(gone, 0, cells[:half]).astype(np.int8),
    }
    return [
        {
            "data": name,
            "cells": title,
            **CellAnswers(
                cells[half:], ours(features[:half], known, features[half:]), 0.5
            ).scores(),
        }
        for title, known in given.items()
    ]


def main() -> None:
    """Print the tables, and as JSON the ratios: above 1, Pixmill is better."""
    print(machine(), end="\n\n")
    data = {"synthetic": synthetic(), "bundled images": bundled()}
    first = [row for name, given in data.items() for row in compare(name, *given)]
    second = [row for name, given in data.items() for row in blanked(name, *given)]
    for rows in (first, second):
        print(pd.DataFrame(rows).round(4).to_string(index=False), end="\n\n")
    ratios = {}
    for mine, other in zip(first[::2], first[1::2], strict=True):
        ratios[f"{mine['data']}: seconds"] = other["seconds"] / mine["seconds"]
        for metric in ("mean_average_precision", "log_loss"):
            ratios[f"{mine['data']}: {metric} gained"] = mine[metric] - other[metric]
    for full, unknown, no in zip(second[::3], second[1::3], second[2::3], strict=True):
        for title, row in (("unknown", unknown), ("as no", no)):
            lost = full["mean_average_precision"] - row["mean_average_precision"]
            ratios[f"{full['data']}: average precision lost, 40 % {title}"] = lost
    print(json.dumps({name: round(float(value), 4) for name, value in ratios.items()}))


if __name__ == "__main__":
    main()
