"""The space is what params and Optuna both understand; no value is lost between them."""

import json
import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.params import Params, RangeParams, parse_params
from pixmill.sweep.space import (
    combinations,
    current_values,
    default_space,
    distributions,
    from_optuna,
    to_optuna,
    with_kinds,
)


def spelt(value) -> str:
    """Return what tells 1 from 1.0 and true."""
    return json.dumps(value, sort_keys=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
LISTS = st.lists(JSON, min_size=1, max_size=5, unique_by=spelt).map(tuple)


@st.composite
def ranges(draw: st.DrawFn) -> RangeParams:
    log = draw(st.booleans())
    ends = draw(st.sampled_from([st.integers(1 if log else -50, 50), st.floats(1e-6 if log else -50.0, 50.0)]))
    low, high = sorted(draw(st.lists(ends, min_size=2, max_size=2, unique=True)))
    return RangeParams(low=low, high=high, log=log)


SPACES = st.dictionaries(st.sampled_from(["train.a", "train.b", "train.c"]), LISTS | ranges(), min_size=1)


def parsed(train: str) -> Params:
    return parse_params(f"{{classes: [cat, dog], scrape: {{snapshot: '2026-11-20'}}, train: {train}}}")


@given(SPACES, st.integers(0, 2**31 - 1))
def test_what_optuna_chooses_returns_to_it_as_it_was(space, seed) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, own = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)), distributions(space)
    values = from_optuna(space, study.ask(own).params)
    for name, allowed in space.items():
        if isinstance(allowed, RangeParams):
            assert allowed.low <= values[name] <= allowed.high
        else:
            assert any(spelt(values[name]) == spelt(value) for value in allowed)
    assert json.loads(json.dumps(values)) == values
    chosen = to_optuna(space, values)
    assert chosen is not None
    assert from_optuna(space, chosen) == values
    # Optuna itself refuses what is outside of a distribution.
    study.add_trial(optuna.trial.create_trial(params=chosen, distributions=own, value=1.0))


@given(ranges(), st.floats(allow_nan=False) | st.booleans() | st.none() | st.just("auto"))
def test_what_is_outside_of_a_range_is_unknown_to_optuna(allowed, value) -> None:
    inside = isinstance(value, float) and allowed.low <= value <= allowed.high
    assert (to_optuna({"train.a": allowed}, {"train.a": value}) is not None) == inside


def test_what_is_in_no_list_is_unknown_to_optuna() -> None:
    assert to_optuna({"train.a": (1, "auto")}, {"train.a": 2}) is None
    assert to_optuna({"train.a": (1, "auto")}, {"train.a": "auto"}) == {"train.a": '"auto"'}


def test_real_numbers_have_four_digits_and_whole_ones_all() -> None:
    space = {"a": RangeParams(low=0.1, high=0.123456), "b": RangeParams(low=1, high=99_999)}
    assert from_optuna(space, {"a": 0.1111111, "b": 77_777}) == {"a": 0.1111, "b": 77_777}
    assert from_optuna(space, {"a": 0.1234559, "b": 1})["a"] == 0.123456, "not rounded beyond the end"


def test_combinations_are_counted_unless_countless() -> None:
    assert combinations({"a": (1, 2), "b": RangeParams(low=3, high=7)}) == 10
    assert combinations({"a": (1, 2), "b": RangeParams(low=3.0, high=7)}) is None


@pytest.mark.parametrize(
    ("name", "values", "real"),
    [
        ("train.augmentation.rotation", RangeParams(low=0, high=30), True),
        ("train.learning_rate", RangeParams(low=1, high=2, log=True), True),
        ("train.epochs", RangeParams(low=1, high=30), False),
        ("split.image_size", RangeParams(low=32, high=33), False),
        ("train.patience", RangeParams(low=1, high=4), False),
        ("train.augmentation.rotation", (0, 30), False),
    ],
)
def test_ranges_of_real_params_are_real_however_they_are_written(name, values, real) -> None:
    found = with_kinds(parsed("{model: cnn}"), {name: values})[name]
    assert found == values
    assert (combinations({name: found}) is None) == real
    if real:
        assert {type(found.low), type(found.high)} == {float}


@pytest.mark.parametrize("model", ["features", "backbone", "cnn"])
def test_each_model_has_a_space_that_its_params_take(model: str) -> None:
    params = parsed(f"{{model: {model}}}")
    space = default_space(params)
    assert len(space) >= 3
    assert current_values(params, space).keys() == space.keys()
    for name, allowed in space.items():
        for value in (allowed.low, allowed.high) if isinstance(allowed, RangeParams) else allowed:
            params.changed({name: value})


def test_the_values_of_now_are_those_of_the_file_and_of_its_items() -> None:
    params = parsed("{model: cnn, cnn: {blocks: [{filters: 4}, {filters: 8}]}, learning_rate: 0.5}")
    now = current_values(params, {"train.learning_rate": (), "train.cnn.blocks.1.filters": (), "train.cnn.blocks": ()})
    assert now["train.learning_rate"] == 0.5
    assert now["train.cnn.blocks.1.filters"] == 8
    assert [block["filters"] for block in now["train.cnn.blocks"]] == [4, 8]
    assert math.isclose(params.changed({"train.cnn.blocks.1.filters": 9}).train.cnn.blocks[1].filters, 9)
