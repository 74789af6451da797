"""The JSON of a comparison holds what is promised, and is JSON."""

import json
from typing import Any

import numpy as np
import pandas as pd

from pixmill.compare.json_document import comparison_json
from pixmill.metrics.significance import Difference
from tests.compare.compared import comparison, data, numbers, revision


def read(text: str) -> dict[str, Any]:
    """Return the document; NaN and infinities are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return document


def test_it_holds_what_others_rely_on() -> None:
    document = read(comparison_json(comparison()))
    assert (document["verdict"], document["gate"]) == ("worse", "fail")
    assert document["sentence"] == "Macro-F1 falls from 0.900 to 0.800."
    assert (document["base"]["name"], document["head"]["name"]) == ("main", "cnn")
    assert document["metrics"]["macro_f1"] == {"base": 0.9, "head": 0.8, "diff": -0.1, "low": -0.13, "high": -0.07}
    assert (document["flips"]["gained"], document["flips"]["lost"]) == (3, 6)
    assert document["flips"]["images"][0]["label"] == "coat"
    assert document["data"]["relabelled"] == 12
    assert {row["change"] for row in document["data"]["images"]} >= {"added", "relabelled"}
    assert document["rules"][1]["needed"] == 1900
    assert document["changes"]["params"]["train.epochs"] == {"base": 2, "head": 12}


def test_what_is_missing_is_null_and_floats_have_six_digits() -> None:
    flips = numbers().flips.assign(base_loss=np.inf, head_loss=np.nan, base_confidence=1 / 3)
    metrics = {"macro_f1": Difference(1 / 3, 2 / 3, 1 / 3, float("nan"), 0.5, 1)}
    images = data().images.assign(source=pd.NA)
    made = comparison(
        numbers=numbers(flips=flips, metrics=metrics), data=type(data())(1, 1, (), images, (), images[:0])
    )
    document = read(comparison_json(made))
    assert document["metrics"]["macro_f1"] == {
        "base": 0.333333,
        "head": 0.666667,
        "diff": 0.333333,
        "low": None,
        "high": 0.5,
    }
    image = document["flips"]["images"][0]
    assert (image["base_loss"], image["head_loss"], image["base_confidence"]) == (None, None, 0.333333)
    assert document["data"]["images"][0]["source"] is None


def test_without_a_base_or_predictions_it_has_the_same_keys() -> None:
    full = read(comparison_json(comparison()))
    bare = read(comparison_json(comparison("not_comparable", base=None, numbers=None, data=None, changes=None)))
    assert bare.keys() == full.keys()
    assert bare["base"] is bare["flips"] is bare["data"] is bare["changes"] is None
    assert bare["metrics"] == {}


def test_a_side_tells_its_recorded_results() -> None:
    record = {"accuracy": 0.91234567, "macro_f1": 0.9, "log_loss": 0.3, "ece": 0.02, "n": 262, "per_class": {}}
    document = read(comparison_json(comparison(head=revision("cnn", metrics=record, run=None))))
    assert document["head"]["recorded"] == {
        "accuracy": 0.912346,
        "macro_f1": 0.9,
        "log_loss": 0.3,
        "ece": 0.02,
        "n": 262,
    }
    assert document["head"]["run"] is document["base"]["recorded"] is None
