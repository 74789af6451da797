"""Comparison of two revisions, complete and incomplete."""

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
