"""Comparison of two revisions, complete and incomplete."""

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import parse_params
from pixmill.experiments.compare.comparing import compare

PARAMS = parse_params(
    "{classes: [coat, dress], scrape: {snapshot: '2026-11-20'}, validate: {}, split: {}, train: "
    "{}, evaluate: {}}"
)


def test_compares_metrics_data_and_changes(workspace, monkeypatch):
    found = compare(workspace, PARAMS, "v1", "stronger")
    assert (found.base.name, found.head.name, found.verdict) == ("v1", "stronger", "same")
    assert found.numbers.n == 8
    assert found.data.images.empty
    assert [(change.name, change.base, change.head) for change in found.changes.params] == [
        ("train.epochs", 3, 9)
    ]
    assert [(rule.name, rule.result) for rule in found.gate.rules] == [("compare.max_drop", "pass")]


def test_missing_predictions_leave_the_gate_undecided(clone):
    found = compare(Workspace(root=clone, home=clone), PARAMS, "v1", "HEAD")
    assert (found.verdict, found.numbers, found.gate.result) == (
        "not_comparable",
        None,
        "undecided",
    )
    assert found.sentence == "Not comparable: the predictions of v1 are missing."
    assert (
        "(the predictions of v1 are missing), must not be significantly worse: undecided"
        in found.gate.rules[0].sentence
    )
    assert [line.partition(":")[0] for line in found.missing if "predictions" in line] == [
        "v1",
        "HEAD",
    ]
