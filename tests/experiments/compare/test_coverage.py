"""Coverage and covered accuracy of two models at their own thresholds."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.evaluate.measure import measure_confidence
from pixmill.experiments.compare.class_scoring import find_answered
from pixmill.experiments.compare.numbers import compare_numbers
from pixmill.experiments.compare.view import comparison_text
from pixmill.metrics.calibration import Calibration
from tests.experiments.compare.compared import comparison
from tests.experiments.compare.made_revisions import LABELS, make_predictions, make_revision

EVALUATE = EvaluateParams(draws=400)
IMAGES = 300


def model(threshold, *, wrong=0.1, seed=1, unlike=None, **more):
    """Return a revision whose confidence separates right and wrong predictions."""
    generator = np.random.default_rng(seed)
    actual = np.arange(IMAGES) % 3
    right = generator.random(IMAGES) >= wrong
    sure = np.where(right, generator.uniform(0.6, 1, IMAGES), generator.uniform(0.4, 0.9, IMAGES))
    table = make_predictions(actual, np.where(right, actual, (actual + 1) % 3), certainty=sure)
    if unlike is not None:
        table["unlike"] = unlike
    metrics = {} if threshold == "absent" else {"threshold": threshold}
    return make_revision(table, metrics=metrics, **more)


def compared(base, head):
    return compare_numbers(base, head, CompareParams(), EVALUATE)


def answers(revision):
    """Return whether each image is answered, and whether correctly."""
    table = revision.predictions
    sure = table[[f"p_{label}" for label in LABELS]].max(axis=1) >= revision.metrics["threshold"]
    return sure, table["label"] == table["predicted"]


def test_each_model_has_its_own_threshold():
    base = model(0.8)
    head = model(0.65, seed=2)
    found = compared(base, head).metrics
    for which, revision in (("first", base), ("second", head)):
        sure, right = answers(revision)
        assert getattr(found["coverage"], which) == pytest.approx(sure.mean())
        assert getattr(found["covered_accuracy"], which) == pytest.approx(right[sure].mean())
    assert found["coverage"].low > 0.2


def test_coverage_matches_evaluate():
    unlike = pd.array([True, None, False] * 100, "boolean")
    revision = model(0.7, unlike=unlike)
    table = pd.concat([revision.predictions, revision.predictions.assign(split="val")]).assign(
        held_out=True
    )
    groups = pd.Series("x", index=revision.predictions["id"])
    measured, _ = measure_confidence(
        table, table, groups, LABELS, Calibration(threshold=0.7), draws=100, confidence=0.95
    )
    row = compared(revision, model(0.7, seed=2)).metrics
    assert row["coverage"].first == pytest.approx(measured["coverage"])
    assert row["covered_accuracy"].first == pytest.approx(measured["covered_accuracy"])
    assert measured["coverage"] < compared(model(0.7), model(0.7)).metrics["coverage"].first


@pytest.mark.parametrize(
    "unlike",
    [[True, None, False], [None] * 3, [float("nan")] * 3, [False] * 3, [True, False, False]],
)
def test_unlike_images_are_not_answered(unlike):
    table = make_predictions([0, 1, 2], [0, 1, 2], certainty=0.9).assign(unlike=unlike)
    revision = make_revision(table, metrics={"threshold": 0.5})
    answered = find_answered(revision, pd.Index(table["id"]), np.full((3, 3), 0.9))
    assert answered.tolist() == [one is not True for one in unlike]


@pytest.mark.parametrize("threshold", ["absent", None, 0.0])
def test_missing_threshold_has_a_remark(threshold):
    for pair, lacking in (
        ((threshold, 0.7), "base"),
        ((0.7, threshold), "head"),
        ((threshold, threshold), None),
    ):
        found = compared(*(model(one, seed=seed) for seed, one in enumerate(pair)))
        assert not {"coverage", "covered_accuracy"} & found.metrics.keys()
        remark = (
            f"Coverage is not compared: plots/evaluate/full.json of the {lacking} has no "
            "confidence threshold."
        )
        assert found.remark == (remark if lacking else "")
        shown = comparison_text(comparison(numbers=found))
        assert ("Coverage is not compared" in shown) == bool(lacking)
    assert compared(make_revision(model(0.7).predictions), model(0.7)).remark
