"""The search space of params in Optuna."""

import json
import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import ParamsError
from pixmill.core.params import Params, RangeParams, parse_params
from pixmill.experiments.sweep.space import check_searched, current_values, default_space, suggest


def as_json(value) -> str:
    """Return JSON, which distinguishes 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
LISTS = st.lists(JSON, min_size=1, max_size=5, unique_by=as_json).map(tuple)


@st.composite
def ranges(draw: st.DrawFn) -> RangeParams:
    log = draw(st.booleans())
    ends = draw(
        st.sampled_from(
            [st.integers(1 if log else -50, 50), st.floats(1e-6 if log else -50.0, 50.0)]
        )
    )
    low, high = sorted(draw(st.lists(ends, min_size=2, max_size=2, unique=True)))
    return RangeParams(low=low, high=high, log=log)


SPACES = st.dictionaries(
    st.sampled_from(["train.a", "train.b", "train.c"]), LISTS | ranges(), min_size=1
)


def parsed(train: str, **sweep) -> Params:
    text = (
        f"{{classes: [cat, dog], scrape: {{snapshot: '2026-11-20'}}, train: {train}, sweep: "
        f"{json.dumps(sweep)}}}"
    )
    return parse_params(text)


@given(SPACES, st.integers(0, 2**31 - 1))
def test_suggestions_are_in_the_space(space, seed) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values = suggest(study.ask(), space)
    for name, allowed in space.items():
        if isinstance(allowed, RangeParams):
            assert allowed.low <= values[name] <= allowed.high
            if isinstance(values[name], float):
                assert values[name] in (allowed.low, allowed.high, float(f"{values[name]:.4g}"))
        else:
            assert any(as_json(values[name]) == as_json(value) for value in allowed)
    assert json.loads(json.dumps(values)) == values


@pytest.mark.parametrize(
    ("name", "values", "real"),
    [
        ("train.augmentation.rotation", {"low": 0, "high": 30}, True),
        ("train.learning_rate", {"low": 1, "high": 2, "log": True}, True),
        ("train.epochs", {"low": 1, "high": 30}, False),
        ("train.patience", {"low": 1, "high": 4}, False),
    ],
)
def test_ranges_of_float_params_are_floats(name, values, real) -> None:
    found = check_searched(parsed("{model: cnn}", space={name: values}))[name]
    assert isinstance(found, RangeParams)
    assert (found.low, found.high) == (values["low"], values["high"])
    assert {type(found.low), type(found.high)} == ({float} if real else {int})


def test_rejects_grids_with_ranges_or_too_many_combinations() -> None:
    space = {
        "train.epochs": {"low": 1, "high": 3},
        "train.learning_rate": [n / 50 for n in range(1, 41)],
    }
    space |= {"train.batch_size": [*range(8, 38)]}
    with pytest.raises(ParamsError) as refusal:
        check_searched(parsed("{model: cnn}", sampler="grid", space=space))
    assert refusal.value.message.splitlines() == [
        "sweep.space.train.epochs: a grid needs a list of values",
        "sweep.space: a grid has at most 1,000 combinations; for more, set sweep.sampler to random",
    ]


@pytest.mark.parametrize(
    "train",
    [
        "{model: features}",
        "{model: features, features: {head: mlp}}",
        "{model: backbone}",
        "{model: cnn}",
    ],
)
def test_default_space_is_valid(train: str) -> None:
    params = parsed(train)
    space = default_space(params)
    assert check_searched(params).keys() == space.keys()
    assert len(space) >= 2
    assert current_values(params, space).keys() == space.keys()
    for name, allowed in space.items():
        for value in (allowed.low, allowed.high) if isinstance(allowed, RangeParams) else allowed:
            params.changed({name: value})


def test_current_values_of_params_and_list_items() -> None:
    params = parsed("{model: cnn, cnn: {blocks: [{filters: 4}, {filters: 8}]}, learning_rate: 0.5}")
    now = current_values(
        params, ["train.learning_rate", "train.cnn.blocks.1.filters", "train.cnn.blocks"]
    )
    assert now["train.learning_rate"] == 0.5
    assert now["train.cnn.blocks.1.filters"] == 8
    assert [block["filters"] for block in now["train.cnn.blocks"]] == [4, 8]
    assert math.isclose(
        params.changed({"train.cnn.blocks.1.filters": 9}).train.cnn.blocks[1].filters, 9
    )
