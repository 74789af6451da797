"""Tables, metrics and curves of a revision are parsed, or malformed with a reason."""

import json

import pyarrow as pa
import pytest

from pixmill.core.repository.documents import MalformedError
from pixmill.experiments.compare.results import read_metrics, read_table
from tests.experiments.compare.heads import predictions


def test_reads_known_columns_in_the_order_of_the_file():
    content = predictions(p_coat=[1, 0] * 4, unlike=pa.nulls(8), extra=[{"a": 1}] * 8)
    table = read_table(content, "predictions")
    assert [*table] == ["id", "split", "label", "predicted", "p_coat", "p_dress", "loss", "unlike"]
    assert table["p_coat"].dtype == "float32"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is malformed"),
        (predictions()[:-30], "is malformed"),
        (predictions(id=pa.array([b"\xff"] * 8).cast(pa.string(), safe=False)), "is malformed"),
        (predictions(label=[{"a": 1}] * 8), "is malformed"),
        (predictions(p_coat=["a"] * 8), "is malformed"),
        (predictions(loss=None, label=None), "lacks label, loss"),
    ],
)
def test_rejects_malformed_tables(content, message):
    with pytest.raises(MalformedError, match=message):
        read_table(content, "predictions")


def test_reads_recorded_metrics():
    recorded = {"n": 8, "threshold": 0.9, "covered_accuracy_low": None, "per_class": {"coat": {}}}
    assert read_metrics(json.dumps({**recorded, "train": {"n": 1}}).encode()) == recorded


@pytest.mark.parametrize("value", ["NaN", "1e400", '"0.9"', "true", "[]"])
def test_rejects_metrics_that_are_no_numbers(value):
    with pytest.raises(MalformedError, match="covered_accuracy"):
        read_metrics(f'{{"covered_accuracy": {value}}}'.encode())
