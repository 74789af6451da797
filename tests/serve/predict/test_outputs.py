"""Tables of predictions: values, spreadsheets, atomic writes."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer, answers_schema
from pixmill.serve.predict.model import find_model
from pixmill.serve.predict.predicting import write_csv, write_jsonl, write_parquet

LABELS = ("coat", "hat")
WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
SURE = Answer("a" * 64, Prediction("hat", 2 / 3, True, np.array([1 / 3, 2 / 3])))
ROWS = [
    SURE.as_row("a.jpg", LABELS),
    Answer("b" * 64, Prediction("coat", 0.5, False, np.array([0.5, 0.5]))).as_row(
        'b "1", 2.jpg', LABELS
    ),
    Answer(None, Prediction(reason="unreadable")).as_row("c.jpg", LABELS),
]


@pytest.mark.parametrize("kind", WRITERS)
def test_tables_have_all_values(tmp_path, kind):
    path = tmp_path / f"answers.{kind}"
    WRITERS[kind](path, lambda: ROWS, LABELS)
    readers: dict[str, Callable[..., pd.DataFrame]] = {
        "csv": pd.read_csv,
        "jsonl": lambda path: pd.read_json(path, lines=True),
        "parquet": pd.read_parquet,
    }
    table = readers[kind](path)
    assert list(table.columns) == answers_schema(LABELS).names
    assert list(table["path"]) == ["a.jpg", 'b "1", 2.jpg', "c.jpg"]
    assert list(table["predicted"][:2]) == ["hat", "coat"]
    assert list(table["sure"][:2]) == [True, False]
    assert table["confidence"][0] == pytest.approx(2 / 3, abs=1e-6)
    np.testing.assert_allclose(
        table.loc[:1, ["p_coat", "p_hat"]], [[1 / 3, 2 / 3], [0.5, 0.5]], atol=1e-6
    )
    assert table.loc[2].drop(["path", "reason"]).isna().all()
    assert table["reason"][2] == "unreadable"
    assert table["reason"][:2].isna().all()


def test_json_is_exact_and_parquet_has_the_schema(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", lambda: ROWS, LABELS)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    write_parquet(tmp_path / "a.parquet", lambda: ROWS, LABELS)
    assert pq.read_schema(tmp_path / "a.parquet").equals(answers_schema(LABELS))


def test_csv_has_a_byte_order_mark_if_needed(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, lambda: ROWS, LABELS)
    assert path.read_bytes().startswith(b"path,id,")
    for rows, labels in (
        ([SURE.as_row("ä.jpg", LABELS)], LABELS),
        ([SURE.as_row("a.jpg", ("coat", "kurtā"))], ("coat", "kurtā")),
    ):
        write_csv(path, lambda rows=rows: rows, labels)
        assert path.read_bytes().startswith(b"\xef\xbb\xbfpath,id,")
        assert pd.read_csv(path)["path"][0] == rows[0]["path"]


def test_csv_has_no_formulas(tmp_path):
    labels = ("=1+1", "-x")
    row = SURE.as_row("a\r=1.jpg", labels) | {"predicted": "=1+1"}
    write_csv(tmp_path / "a.csv", lambda: [row], labels)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        cells = [
            cell
            for line in csv.reader(file)
            for cell in line
            if cell.startswith(("=", "+", "-", "@"))
        ]
    assert cells == []


def test_columns_of_several_labels(labels_folder, tmp_path):
    model = find_model(str(labels_folder), None)
    labels = model.labels
    probabilities = np.array([0.9, 0.8, 0.1])
    prediction = Prediction(
        "dark, kurtā; long",
        0.8,
        False,
        probabilities,
        labels=dict(zip(labels, (True, True, False), strict=True)),
        sure_labels=dict(zip(labels, (True, False, None), strict=True)),
    )
    none = replace(prediction, labels=dict.fromkeys(labels, False))
    broken = Answer(None, Prediction(reason="unreadable")).as_row("c.jpg", labels)
    rows = [Answer("a", each).as_row("a.jpg", labels) for each in (prediction, none)]
    for kind, write in WRITERS.items():
        path = tmp_path / f"answers.{kind}"
        write(path, lambda: [*rows, broken], labels, flags=model.head.flags(model.labels))
    found = pq.read_table(tmp_path / "answers.parquet").to_pydict()
    assert [*found] == answers_schema(labels, model.head.flags(model.labels)).names
    assert found["predicted"] == ['dark;"kurtā; long"', "", None]
    assert found["yes_T-shirt & top"] == [False, False, None]
    assert found["sure_T-shirt & top"] == [None, None, None]
    assert found["sure_dark"] == [True, True, None]
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["predicted"] for line in lines] == found["predicted"]
    head = (tmp_path / "answers.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert next(csv.reader([head])) == [*found]
