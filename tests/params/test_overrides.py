import pytest

from pixmill.errors import ParamsError
from pixmill.params import parse_params
from pixmill.params.overrides import parse_overrides, settings


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("train.epochs", "3", 3),
        ("train.learning_rate", "1e-4", 0.0001),
        ("train.patience", "null", None),
        ("scrape.per_class", "40", 40),
        ("split.salt", "007", "007"),
        ("scrape.snapshot", "2026-12-01", "2026-12-01"),
        ("train.augmentation.flip", "false", False),
        ("validate.min_per_class.count", "5", 5),
        ("train.cnn.blocks.1.filters", "48", 48),
    ],
)
def test_a_text_becomes_what_the_file_would_hold(params, name, text, value):
    assert parse_overrides(params, {name: text}) == {name: value}
    assert type(parse_overrides(params, {name: text})[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("train.epochs", "many", "train.epochs: expected a whole number >= 1, received 'many'"),
        ("train.epochs", "2.5", "train.epochs: expected a whole number >= 1, received 2.5"),
        ("train.learning_rate", "nan", "train.learning_rate: expected"),
        ("split.test", "1.5", "split.test: expected a number > 0 and < 1, received 1.5"),
        ("split.aspect", "squeeze", "split.aspect: expected one of pad, crop, stretch, received 'squeeze'"),
        ("scrape.snapshot", "today", "scrape.snapshot: expected a date"),
        ("train.cnn.blocks.1.filters", "0", "train.cnn.blocks.1.filters: expected a whole number >= 1, received 0"),
    ],
)
def test_what_the_file_must_not_hold_is_refused_in_the_same_words(params, name, text, expected):
    with pytest.raises(ParamsError) as error:
        parse_overrides(params, {name: text})
    assert error.value.message.startswith(expected)


def test_values_are_checked_together():
    params = parse_params("classes: [a, b]\nscrape: {snapshot: '2026-11-20'}\nsplit: {val: 0.2, test: 0.2}\n")
    assert parse_overrides(params, {"split.val": "0.5", "split.test": "0.4"}) == {"split.val": 0.5, "split.test": 0.4}
    with pytest.raises(ParamsError, match=r"split: expected val \+ test < 1"):
        parse_overrides(params, {"split.val": "0.5", "split.test": "0.5"})


def test_what_the_file_holds_may_be_in_any_script():
    text = "classes: [a, b]\nscrape: {snapshot: '2026-11-20', queries: {a: [🧥, 𠮷野家]}}\n"
    assert parse_overrides(parse_params(text), {"split.salt": "🧂"}) == {"split.salt": "🧂"}


def test_texts_are_quoted_for_dvc_lest_they_become_numbers():
    values = {"split.salt": "007", "train.epochs": 3, "train.learning_rate": 1e-05, "train.patience": None}
    assert settings(values | {"train.augmentation.flip": True}) == [
        'split.salt="007"',
        "train.epochs=3",
        "train.learning_rate=1e-05",
        "train.patience=null",
        "train.augmentation.flip=true",
    ]
