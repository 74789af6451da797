"""Build comparisons of two models with any number of images, classes and changes."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image

from pixmill.experiments.compare.comparison import (
    Change,
    Changes,
    ClassNumbers,
    Comparison,
    DataDifference,
    Drift,
    Gate,
    MlflowRun,
    Numbers,
    Revision,
    Rule,
    SliceNumbers,
    Step,
)
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.significance import Difference, mcnemar

NAMES = ("coat", "dress", "shirt", "shoe", "trouser")
CURVES = "epoch,val_loss,val_accuracy,learning_rate\n1,{0},0.8,\n2,{1},0.9,\n"


def jpeg(number):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (number * 37 % 256, number * 11 % 256, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def name_of(number):
    """Return the id of an image."""
    return hashlib.sha256(jpeg(number)).hexdigest()


def revision(name, contents=None, **more):
    """Return a revision with sixty images and some files."""
    contents = contents or {}
    facts = {
        "name": name,
        "title": f"{name} (1a2b3c4 Train longer)",
        "commit": "1a2b3c4d5e6f" + "0" * 28,
        "manifest": pd.DataFrame(
            {"id": [name_of(number) for number in range(60)], "path": [*map(str, range(60))]}
        ),
        "run": MlflowRun(
            "f" * 32, "able-owl", "https://mlflow.test/#/experiments/0/runs/f", 12.3, 3.2, {}
        ),
        "read": contents.get,
    }
    return Revision(**{**facts, **more})


def difference(first, second, spread=0.03):
    gap = second - first
    return Difference(
        first, second, gap, gap - spread, gap + spread, 0.04 if abs(gap) > spread else 0.5
    )


def made_slice(dimension, name, first, second, p):
    """Return a slice of 40 images; it counts as tested if it has a p-value."""
    return SliceNumbers(dimension, name, 40, 38, difference(first, second), p)


def numbers(labels=NAMES, n=100, lost=6, gained=3, **more):
    """Return the numbers of two models, with flips."""
    generator = np.random.default_rng(0)
    classes = len(labels)
    actual = np.arange(n) % classes
    predicted = [actual.copy(), actual.copy()]
    predicted[0][lost : lost + gained] = (actual[lost : lost + gained] + 1) % classes
    predicted[1][:lost] = (actual[:lost] + 2) % classes
    sure = [generator.uniform(0.5, 1, n) for _ in range(2)]
    shares = (
        [np.full((n, classes), ((1 - one) / max(1, classes - 1))[:, None]) for one in sure]
        if n < 1000
        else []
    )
    for values, one, chosen in zip(shares, sure, predicted, strict=False):
        values[np.arange(n), chosen] = one
    matrices = [np.zeros((classes, classes), np.int64) for _ in range(2)]
    for matrix, chosen in zip(matrices, predicted, strict=True):
        np.add.at(matrix, (actual, chosen), 1)
    flips = pd.DataFrame(
        {
            "id": [
                name_of(number) if number < 60 else f"{number:064x}"
                for number in range(lost + gained)
            ],
            "label": [labels[actual[number]] for number in range(lost + gained)],
            "base_predicted": [labels[predicted[0][number]] for number in range(lost + gained)],
            "head_predicted": [labels[predicted[1][number]] for number in range(lost + gained)],
            "base_confidence": sure[0][: lost + gained],
            "head_confidence": sure[1][: lost + gained],
            "base_loss": 0.5,
            "head_loss": 1.5,
            "gained": np.arange(lost + gained) >= lost,
        }
    )
    per_class = {
        label: ClassNumbers(
            n // classes,
            (0.9, 0.8),
            (0.9, None),
            difference(0.9, 0.9 - 0.1 * generator.random()),
            0.01 + place % 2,
        )
        for place, label in enumerate(labels)
    }
    row = pd.DataFrame({"low": 0.5, "high": 0.6, "n": [n], "confidence": 0.55, "accuracy": 0.6})
    curves = [reliability(actual, values) for values in shares] or [row, row]
    facts = {
        "labels": tuple(labels),
        "n": n,
        "clusters": n,
        "metric": "macro_f1",
        "margin": 0.02,
        "confidence": 0.95,
        "metrics": {
            "accuracy": difference(0.9, 0.88),
            "macro_f1": difference(0.9, 0.8),
            "log_loss": difference(1, 4),
            "coverage": difference(0.7, 0.8, 0.2),
            "covered_accuracy": difference(0.97, 0.96),
        },
        "per_class": per_class,
        "mcnemar": mcnemar(predicted[0] == actual, predicted[1] == actual),
        "steps": (
            Step("before, on its own test images", 110, 0.91),
            Step("common images", n, 0.9),
            Step("model", n, 0.8),
        ),
        "confusion": tuple(matrices),
        "flips": flips,
        "reliability": tuple(curves),
        "coverage": tuple(
            coverage_curve(one, chosen == actual)
            for one, chosen in zip(sure, predicted, strict=True)
        ),
    }
    return Numbers(**{**facts, **more})


def data(n=12, first=0, label="coat"):
    """Return images of each kind of change."""
    kinds = ("added", "dropped", "moved", "relabelled", "removed", "restored")
    rows = [
        {
            "id": name_of(first + number) if n < 60 else f"{number:064x}",
            "change": kind,
            "base_label": None if kind == "added" else label,
            "head_label": None if kind == "removed" else "shoe" if kind == "relabelled" else label,
            "base_split": None if kind in ("added", "restored") else "train",
            "head_split": None
            if kind in ("removed", "dropped")
            else "test"
            if kind == "moved"
            else "train",
            "base_reason": "too_small" if kind == "restored" else None,
            "head_reason": "outlier" if kind == "dropped" else None,
            "source": "shop",
            "image_url": "https://shop.test/1.jpg",
            "path": f"{first + number}",
        }
        for kind in kinds
        for number in range(n)
    ]
    near = pd.DataFrame({"id": [name_of(40)], "test_id": [name_of(41)], "similarity": [0.991]})
    drift = (Drift("class shares", 0.13, 0.001, True), Drift("brightness", 0.02, 1.0, False))
    return DataDifference(
        1247, 1250, ("split.salt changed from 1 to 2",), pd.DataFrame(rows), drift, near
    )


def comparison(verdict="worse", *, images=False, **more):
    """Return a comparison with all parts, optionally with image files."""
    files = {f"artifacts/scrape/{number}": jpeg(number) for number in range(60) if images}
    revisions = [
        revision(name, {**files, "plots/train/curves.csv": CURVES.format(*losses).encode()})
        for name, losses in (("main", (0.5, 0.3)), ("cnn", (0.9, 0.6)))
    ]
    rule = Rule(
        "compare.max_drop",
        "fail",
        "macro-F1 0.800 after 0.900, must not be significantly worse: fail",
    )
    changes = Changes(
        (Change("train.epochs", 2, 12), Change("train.cache", False, True)),
        {"train": ["param train.epochs"]},
        (Change("numpy", "2.1.0", "2.2.0"),),
        (("1a2b3c4", "Train longer"),),
    )
    whole = Comparison(
        *revisions,
        verdict,
        "Macro-F1 falls from 0.900 to 0.800.",
        numbers(),
        data(),
        changes,
        Gate(
            "fail",
            (
                rule,
                Rule(
                    "compare.min.accuracy",
                    "undecided",
                    "accuracy 0.87, at least 0.86: undecided",
                    1_900,
                ),
            ),
        ),
        ("The model cannot be read. Type `dvc pull`.",),
    )
    return replace(whole, **more)
