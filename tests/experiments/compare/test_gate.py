"""Limits pass, fail and are undecided."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.params import CompareParams
from pixmill.experiments.compare.comparison import Gate, Numbers, Revision
from pixmill.experiments.compare.gate import judge
from pixmill.metrics.limits import accuracy_interval
from pixmill.metrics.significance import Difference, mcnemar
from pixmill.tracking.run_lookup import MlflowRun
from tests.experiments.compare.made_revisions import make_predictions, make_revision

METRICS = {
    "n": 200,
    "accuracy": 0.9,
    "accuracy_low": 0.86,
    "accuracy_high": 0.94,
    "log_loss": 0.3,
    "log_loss_low": 0.2,
    "log_loss_high": 0.4,
    "roc_auc": None,
    "roc_auc_low": None,
    "roc_auc_high": None,
    "per_class": {
        "coat": {"recall": 0.9, "recall_low": 0.8, "recall_high": 0.95},
        "dress": {"recall": 0.6, "recall_low": 0.5, "recall_high": 0.7},
        "shirt": {"recall": None, "recall_low": None, "recall_high": None},
    },
}
RUN = MlflowRun("1", "wide", "http://127.0.0.1/", seconds=90.0, megabytes=15.2, tags={})


def revision(metrics: dict | None = METRICS, run: MlflowRun | None = RUN) -> Revision:
    return Revision("workspace", "the workspace", None, is_workspace=True, metrics=metrics, run=run)


def numbers(difference: float, low: float, high: float, metric: str = "accuracy") -> Numbers:
    row = Difference(0.9, 0.9 + difference, difference, low, high, 0.5)
    right = np.ones(200, bool)
    return Numbers(
        labels=("coat", "dress"), n=200, clusters=200, metric=metric, margin=0.02, confidence=0.95,
        metrics={metric: row}, per_class={}, mcnemar=mcnemar(right, right), steps=(),
        confusion=(np.eye(2, dtype=np.int64),) * 2, flips=pd.DataFrame(),
        reliability=(pd.DataFrame(),) * 2, coverage=(pd.DataFrame(),) * 2,
    )  # fmt: skip


def gate(
    head: Revision | None = None,
    found: Numbers | None = None,
    obstacle: str | None = None,
    **limits,
) -> Gate:
    settings = CompareParams.model_validate({"max_drop": None, **limits})
    return judge(head or revision(), found, settings, confidence=0.95, obstacle=obstacle)


def test_passes_without_limits() -> None:
    assert gate(revision(None, None)) == Gate("pass", ())


@pytest.mark.parametrize(
    ("limits", "result", "sentence"),
    [
        (
            {"min": {"accuracy": 0.86}},
            "pass",
            "accuracy 0.900 (95 % CI 0.860 to 0.940), at least 0.86: pass",
        ),
        (
            {"min": {"accuracy": 0.95}},
            "fail",
            "accuracy 0.900 (95 % CI 0.860 to 0.940), at least 0.95: fail",
        ),
        (
            {"min": {"accuracy": 0.88}},
            "undecided",
            "accuracy 0.900 (95 % CI 0.860 to 0.940), at least 0.88: undecided; "
            "about 1,700 test images would probably decide it",
        ),
        (
            {"max": {"log_loss": 0.1}},
            "fail",
            "log loss 0.300 (95 % CI 0.200 to 0.400), at most 0.1: fail",
        ),
        (
            {"min": {"roc_auc": 0.9}},
            "undecided",
            "ROC AUC undefined (too few classes have test images), at least 0.9: undecided",
        ),
        ({"max_megabytes": 15.2}, "pass", "size of the model 15.2 MB, at most 15.2 MB: pass"),
        ({"max_seconds": 60}, "fail", "duration of the training 90.0 s, at most 60 s: fail"),
    ],
)
def test_an_absolute_limit(limits: dict, result: str, sentence: str) -> None:
    found = gate(**limits)
    (rule,) = found.rules
    assert (found.result, rule.result, rule.sentence) == (result, result, sentence)
    ((key, value),) = limits.items()
    assert rule.name == (
        f"compare.{key}.{next(iter(value))}" if isinstance(value, dict) else f"compare.{key}"
    )
    assert rule.needed == (1700 if "1,700" in sentence else None)


ANSWERED = {
    "threshold": 0.7,
    "coverage": 0.6,
    "covered_accuracy": 0.96,
    "covered_accuracy_low": 0.93,
    "covered_accuracy_high": 0.99,
}


def answering(images=200, sure=160, **more) -> Revision:
    """Return a revision that is confident on some images; the last ten are unlike."""
    actual = np.arange(images) % 3
    table = make_predictions(actual, actual, certainty=np.where(np.arange(images) < sure, 0.9, 0.5))
    return make_revision(table.assign(unlike=pd.array(np.arange(images) >= images - 10)), **more)


@pytest.mark.parametrize(("limit", "result"), [(0.7, "pass"), (0.8, "undecided"), (0.9, "fail")])
def test_coverage_limit_uses_the_heads_predictions(limit, result):
    head = answering(metrics={**METRICS, **ANSWERED})
    found = gate(head, min={"coverage": limit})
    low, high = accuracy_interval(
        np.arange(200) < 160, np.arange(200), draws=10_000, confidence=0.95
    )
    assert found.result == result
    sentence = f"coverage 0.800 (95 % CI {low:.3f} to {high:.3f}), at least {limit:g}: {result}"
    assert found.rules[0].sentence.startswith(sentence)
    # Unlike images are not answered at any confidence.
    unlike = gate(answering(sure=200, metrics={**METRICS, **ANSWERED}), min={"coverage": limit})
    assert unlike.rules[0].sentence.startswith("coverage 0.950 (")


def test_coverage_resamples_clusters():
    clusters = pd.DataFrame({"id": [f"image-{place:05d}" for place in range(200)]})
    clusters["cluster"] = [str(place // 20) for place in range(200)]
    head = {"metrics": {**METRICS, **ANSWERED}}
    limits = {"min": {"coverage": 0.7}}
    assert gate(answering(**head), **limits).result == "pass"
    assert gate(answering(manifest=clusters, **head), **limits).result == "undecided"


@pytest.mark.parametrize("threshold", [{}, {"threshold": None}, {"threshold": 0.0}])
def test_missing_threshold_is_undecided(threshold):
    found = gate(
        answering(metrics={**METRICS, **threshold}), min={"coverage": 0.1, "covered_accuracy": 0.1}
    )
    assert [rule.result for rule in found.rules] == ["undecided"] * 2
    assert found.rules[0].sentence == (
        "coverage undefined (the model has no confidence threshold: validation has too few "
        "images, or too many errors, to show train.target_accuracy), at least 0.1: undecided"
    )


def test_coverage_without_predictions_is_undecided():
    (rule,) = gate(revision({**METRICS, **ANSWERED}), min={"coverage": 0.1}).rules
    assert (
        rule.sentence == "coverage 0.600 (without a confidence interval), at least 0.1: undecided"
    )
    silent = {**ANSWERED, "coverage": 0.0, **dict.fromkeys(list(ANSWERED)[2:])}
    (rule,) = gate(revision({**METRICS, **silent}), min={"covered_accuracy": 0.1}).rules
    assert "undefined (no test image is answered)" in rule.sentence
    assert rule.result == "undecided"


def test_names_failing_and_undecided_classes() -> None:
    failing = gate(min_per_class={"recall": 0.75})
    assert failing.result == "fail"
    assert failing.rules[0].name == "compare.min_per_class.recall"
    assert failing.rules[0].sentence == (
        "recall of dress 0.600 (95 % CI 0.500 to 0.700), at least 0.75: fail; "
        "undecided for shirt undefined (has no test images)"
    )
    rows = {label: METRICS["per_class"][label] for label in ("coat", "dress")}
    metrics = {**METRICS, "per_class": rows}
    unclear = gate(revision(metrics), min_per_class={"recall": 0.65})
    assert (unclear.result, unclear.rules[0].needed) == ("undecided", 1700)
    assert unclear.rules[0].sentence.startswith(
        "recall of dress 0.600 (95 % CI 0.500 to 0.700), at least 0.65: und"
    )
    passing = gate(revision(metrics), min_per_class={"recall": 0.5})
    assert (passing.result, passing.rules[0].sentence) == (
        "pass",
        "recall of each class, at least 0.5: pass",
    )


@pytest.mark.parametrize(
    ("difference", "low", "high", "metric", "result", "needed"),
    [
        (-0.01, -0.05, 0.03, "accuracy", "pass", None),
        (-0.06, -0.08, -0.04, "accuracy", "undecided", 1700),
        (-0.09, -0.12, -0.05, "accuracy", "undecided", 320),
        (-0.09, -0.12, -0.06, "accuracy", "fail", None),
        (0.01, -0.03, 0.05, "log_loss", "pass", None),
        (0.09, 0.06, 0.12, "log_loss", "fail", None),
    ],
)
def test_max_drop(difference, low, high, metric, result, needed) -> None:
    found = gate(found=numbers(difference, low, high, metric), max_drop=0.05)
    assert (found.result, found.rules[0].needed) == (result, needed)


@pytest.mark.parametrize(
    ("low", "high", "metric", "result", "needed"),
    [
        (-0.06, -0.001, "accuracy", "fail", None),
        (-0.06, 0.0, "accuracy", "undecided", 410),
        (-0.03, 0.03, "accuracy", "undecided", 920),
        (-0.02, 0.05, "accuracy", "pass", None),
        (0.01, 0.05, "log_loss", "fail", None),
        (-0.05, 0.02, "log_loss", "pass", None),
    ],
)
def test_significant_drop(low, high, metric, result, needed) -> None:
    found = gate(found=numbers((low + high) / 2, low, high, metric), max_drop="significant")
    assert (found.result, found.rules[0].needed) == (result, needed)
    assert f", must not be significantly worse: {result}" in found.rules[0].sentence


def test_incomparable_base_leaves_the_drop_undecided() -> None:
    found = gate(
        obstacle="Not comparable: the predictions of main are missing.",
        max_drop=0.01,
        min={"accuracy": 0.5},
    )
    assert found.result == "undecided"
    assert [(rule.name, rule.result) for rule in found.rules] == [
        ("compare.min.accuracy", "pass"),
        ("compare.max_drop", "undecided"),
    ]
    assert found.rules[1].sentence == (
        "macro-F1 not comparable (the predictions of main are missing), must not be worse by more "
        "than 0.01: undecided"
    )
    assert gate(obstacle="Not comparable: the classes differ.", max_drop=None) == Gate("pass", ())


def test_without_base_only_absolute_limits_apply() -> None:
    found = gate(max_drop="significant", min={"accuracy": 0.5})
    assert [rule.name for rule in found.rules] == ["compare.min.accuracy"]


@pytest.mark.parametrize("metrics", [None, {"accuracy": 0.9}])
def test_unreadable_results_are_undecided(metrics: dict | None) -> None:
    found = gate(
        revision(metrics, None),
        min={"accuracy": 0.5},
        min_per_class={"f1": 0.1},
        max_megabytes=1,
        max_seconds=1,
    )
    assert found.result == "undecided"
    assert [rule.result for rule in found.rules] == ["undecided"] * 4
    assert all("(next: " in rule.sentence for rule in found.rules)
    running = MlflowRun("1", "wide", "", seconds=None, megabytes=None, tags={})
    assert "unknown to the run wide" in gate(revision(run=running), max_seconds=1).rules[0].sentence


def test_one_failure_fails_the_gate() -> None:
    found = gate(min={"accuracy": 0.88}, max_megabytes=1, max_seconds=100)
    assert [rule.result for rule in found.rules] == ["undecided", "fail", "pass"]
    assert found.result == "fail"
