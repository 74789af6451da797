"""Results of an earlier version, from before calibration, are compared as the model delivers its probabilities."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from pixmill.compare.comparing import compare
from pixmill.compare.gate import judge
from pixmill.compare.json_document import comparison_json
from pixmill.compare.markdown import comparison_markdown
from pixmill.compare.numbers import compare_numbers, find_flips
from pixmill.compare.page import render_page
from pixmill.compare.sheet import choose
from pixmill.compare.text import comparison_text
from pixmill.compare.uncalibrated import read_calibration
from pixmill.core.params import ReviewParams, parse_params
from pixmill.evaluate.predictions import apply_calibration, probabilities_of
from pixmill.metrics.calibration import Calibration
from pixmill.metrics.confidence import expected_calibration_error
from pixmill.metrics.probabilities import apply_temperature, losses
from pixmill.review.doubts import _labels
from tests.compare.made_revisions import LABELS, from_probabilities, make_revision, write_predictions
from tests.compare.projects import record, write
from tests.version_control import git

TEMPERATURE = 0.07
PARAMS = parse_params("classes: [coat, shirt, sneaker]\nscrape: {snapshot: '2026-11-20'}\nevaluate: {draws: 200}\n")
OF_PROBABILITIES = {"log_loss", "ece", "roc_auc", "pr_auc"}


@pytest.fixture(scope="module")
def underconfident() -> pd.DataFrame:
    """Predictions before calibration of a model that is hardly sure of anything, and right nine times in ten."""
    generator = np.random.default_rng(3)
    honest = generator.dirichlet([0.15, 0.15, 0.15], 400)
    actual = np.array([generator.choice(3, p=row) for row in honest])
    return from_probabilities(actual, apply_temperature(honest, 1 / TEMPERATURE))


@pytest.fixture(scope="module")
def delivered(underconfident: pd.DataFrame) -> pd.DataFrame:
    """The same as the model delivers them."""
    return apply_calibration(underconfident, LABELS, Calibration(TEMPERATURE))


def figures(table: pd.DataFrame) -> dict[str, float]:
    actual, values = table["label"].map(LABELS.index).to_numpy(), probabilities_of(table, LABELS)
    return {"log_loss": losses(actual, values).mean(), "ece": expected_calibration_error(actual, values)}


def evaluate(root, table: pd.DataFrame, *, earlier: bool, calibration: str | None = None) -> None:
    """Leave results as the stages do, by this version or by an earlier one."""
    path = root / "artifacts/evaluate/predictions.parquet"
    if earlier:
        path.unlink()
        table.to_parquet(path)
    else:
        write_predictions(path, table)
    if calibration is not None:
        write(root / "artifacts/train/calibration.json", calibration)
    full = {"accuracy": 0.9, "n": len(table), "temperature": TEMPERATURE, **figures(table), "log_loss_low": 0.1}
    if earlier:
        full["calibrated"] = figures(apply_calibration(table, LABELS, Calibration(TEMPERATURE)))
    write(root / "plots/evaluate/full.json", json.dumps(full))
    record(root, "Evaluate")


def flipped(table: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of which the first five, and the last, are of another class."""
    values = probabilities_of(table, LABELS)
    rows = [*range(5), len(table) - 1]
    values[rows] = np.roll(values[rows], 1, axis=1)
    return from_probabilities(table["label"].map(LABELS.index).to_numpy(), values)


def test_an_earlier_base_is_compared_with_its_calibration(project, workspace, underconfident, delivered):
    calibration = json.dumps({"temperature": TEMPERATURE, "threshold": 0.8, "target_accuracy": 0.95})
    evaluate(project, underconfident, earlier=True, calibration=calibration)
    evaluate(project, delivered, earlier=False)
    found = compare(workspace, PARAMS, "HEAD~1", "HEAD")
    assert found.missing == ()
    assert found.sentence == "Same: both predict the same on all 400 test images."
    for name, value in figures(delivered).items():
        assert (found.numbers.metrics[name].first, found.numbers.metrics[name].second) == pytest.approx((value, value))
        assert found.base.metrics[name] == found.head.metrics[name] == pytest.approx(value)
    assert figures(underconfident)["ece"] > 0.35
    assert figures(delivered)["ece"] < 0.06
    # A limit of the gate is not judged by the interval of another figure.
    gate = judge(found.base, None, ReviewParams.model_validate({"max": {"log_loss": 1.0}}), confidence=0.95)
    assert [rule.result for rule in gate.rules] == ["undecided"]
    assert f"{figures(delivered)['log_loss']:.3f} (without a confidence interval)" in gate.rules[0].sentence


def test_flips_have_the_confidence_that_each_side_delivers(underconfident, delivered):
    base, head = make_revision(underconfident, calibration=Calibration(TEMPERATURE)), make_revision(flipped(delivered))
    flips = find_flips(base, head).set_index("id")
    expected = delivered.set_index("id").filter(like="p_").max(axis=1)
    assert flips["base_confidence"].to_numpy() == pytest.approx(expected[flips.index].to_numpy())


def test_without_a_calibration_what_needs_it_is_left_out_and_said(project, workspace, underconfident, delivered):
    evaluate(project, underconfident, earlier=True)
    evaluate(project, flipped(delivered), earlier=False)
    found = compare(workspace, PARAMS, "HEAD~1", "HEAD")
    (sentence,) = found.missing
    commit = git(project, "rev-parse", "HEAD~1")[:10]
    assert sentence == (
        "HEAD~1: its predictions are from before calibration, as earlier versions wrote them, and "
        "artifacts/train/calibration.json cannot be read (train did not make it; to make it: git checkout "
        f"{commit} && dvc repro); log loss, calibration error, areas under curves and confidences are left out."
    )
    assert found.verdict != "not_comparable"
    assert {"accuracy", "macro_f1"} < set(found.numbers.metrics)
    assert not OF_PROBABILITIES & set(found.numbers.metrics)
    assert found.numbers.reliability[0] is None
    assert found.numbers.flips["base_confidence"].isna().all()
    assert found.numbers.flips["head_confidence"].notna().all()
    images = json.loads(comparison_json(found))["flips"]["images"]
    assert {row["base_confidence"] for row in images} == {row["base_loss"] for row in images} == {None}
    page = render_page(found, choose(found))
    for text in (comparison_text(found), comparison_markdown(found, sheet=False), page):
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
        assert "from before calibration" in text
    review = PARAMS.review.model_copy(update={"metric": "log_loss"})
    undecided = compare(workspace, PARAMS.model_copy(update={"review": review}), "HEAD~1", "HEAD")
    assert undecided.sentence == "Not comparable: log loss needs the calibration of HEAD~1, which is missing."


def test_a_reviewer_is_told_only_confidences_that_are_known(underconfident, delivered):
    class Material:
        ranking = predictions = None

        @staticmethod
        def still_labelled(flips):
            return flips

    revisions = make_revision(underconfident, calibration=None), make_revision(flipped(delivered))
    flips = compare_numbers(*revisions, PARAMS.review, PARAMS.evaluate).flips
    ((_, _, why, lost),) = _labels(Material, flips)
    said = why.format_map(lost.iloc[0].to_dict())
    assert said.startswith(f"Labelled '{lost['label'].iloc[0]}', which the base's model predicted; the model now predi")
    assert said.endswith(f"' ({lost['head_confidence'].iloc[0]:.0%}).")


@pytest.mark.parametrize(
    "content",
    [
        b"[",
        b'{"temperature": "2"}',
        b'{"temperature": NaN}',
        b'{"temperature": 0}',
        b'{"temperature": 1e-300}',
        60_000 * b"[",
        b" " * 70_000 + b'{"temperature": 2}',
        b"\xff",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_broken_calibration_is_a_sentence(content):
    missing: list[str] = []
    assert read_calibration(lambda: content, pytest.fail, "main", missing) is None
    (sentence,) = missing
    assert "artifacts/train/calibration.json is broken; log loss, " in sentence


def test_a_model_without_a_temperature_needs_none():
    missing: list[str] = []
    assert read_calibration(lambda: b'{"temperature": null}', pytest.fail, "main", missing) == Calibration()
    assert read_calibration(lambda: b'{"temperature": 2}', pytest.fail, "main", missing) == Calibration(2.0)
    assert missing == []
