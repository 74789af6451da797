"""Conditions on params: what they accept, and what holds."""

import pytest

from pixmill.compare.conditions import parse_condition
from pixmill.core.errors import PixmillError

PARAMS = {
    "train.model": "cnn",
    "train.epochs": 20,
    "train.learning_rate": 0.001,
    "train.folds": None,
    "split.sizes": [1, 2],
}


@pytest.mark.parametrize(
    "text",
    [
        "train.model=cnn",
        "train.model==cnn",
        " train.model != mlp ",
        "train.epochs>=20",
        "train.epochs<21",
        "train.learning_rate=1e-3",
        "train.learning_rate<=0.001",
        "train.folds=null",
        "split.sizes=[1, 2]",
    ],
)
def test_it_holds(text: str) -> None:
    assert parse_condition(text).holds(PARAMS)


@pytest.mark.parametrize(
    "text",
    [
        "train.model=mlp",
        "train.epochs>20",
        "train.model>3",
        "split.sizes<=3",
        "train.folds<1",
        "train.seed=1",
        "train.seed!=1",
    ],
)
def test_it_does_not_hold(text: str) -> None:
    assert not parse_condition(text).holds(PARAMS)


@pytest.mark.parametrize("text", ["train.model", "=cnn", "", "train.model cnn"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PixmillError, match="is no condition on a param") as refusal:
        parse_condition(text)
    assert "--where 'train.model=cnn'" in refusal.value.next


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("train.epochs=>20", "is no condition on a param; did you mean >=?"),
        ("train.epochs=<20", "is no condition on a param; did you mean <=?"),
        ("train.model>a", "compares with a, which is no number"),
        ("train.epochs>true", "compares with true, which is no number"),
        ("train.epochs<", "compares with nothing, which is no number"),
    ],
)
def test_what_orders_nothing_is_refused(text: str, fault: str) -> None:
    with pytest.raises(PixmillError) as refusal:
        parse_condition(text)
    assert refusal.value.message == f"'{text}' {fault}"


def test_a_value_that_is_no_yaml_is_a_text() -> None:
    assert parse_condition("train.model=[cnn").value == "[cnn"
