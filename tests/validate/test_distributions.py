"""Measures are counted in bins that no other picture moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.params import ValidateParams
from pixmill.validate.distributions import Distribution, distributions, scales
from tests.validate.tables import dropped, kept, unread, validation

PARAMS = ValidateParams()


def found(*rows) -> dict[str, Distribution]:
    return {item.scale.name: item for item in distributions(validation(rows).manifest, PARAMS)}


def filled(item: Distribution) -> dict[float, tuple[int, int]]:
    """Return the counts by the lower edge of their bin."""
    edges = item.scale.edges[:-1]
    return {
        edge: (kept, dropped)
        for edge, kept, dropped in zip(edges, item.kept.tolist(), item.dropped.tolist(), strict=True)
        if kept or dropped
    }


def test_each_picture_that_could_be_decoded_is_counted_once() -> None:
    some = found(kept(1, width=128), kept(2, width=127), dropped(3, "too_small", width=9), unread(4, "html"))
    assert filled(some["width"]) == {8: (0, 1), 108: (1, 0), 128: (1, 0)}
    assert filled(some["aspect_ratio"]) == {0.917: (2, 1)}
    assert all(item.kept.sum() == 2 and item.dropped.sum() == 1 for item in some.values())


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1e9, width=32), max_size=20))
def test_no_value_is_lost_however_far_out_it_lies(values) -> None:
    some = found(*[kept(number, sharpness=value) for number, value in enumerate(values)])["sharpness"]
    assert some.kept.sum() == len(values)
    assert len(some.kept) == len(some.dropped) == len(some.scale.edges) - 1
    trimmed = some.trimmed()
    assert trimmed.kept.sum() == len(values)
    assert trimmed.scale.edges[0] <= 10 <= trimmed.scale.edges[-1]


@pytest.mark.parametrize("scale", scales(PARAMS), ids=lambda scale: scale.name)
def test_edges_rise_and_thresholds_lie_between_them(scale) -> None:
    assert np.all(np.diff(scale.edges) > 0)
    assert all(scale.edges[0] <= limit <= scale.edges[-1] for limit in scale.limits)
    assert list(scale.ticks) == sorted(scale.ticks)


def test_empty_ends_are_cut_off_but_for_a_margin() -> None:
    trimmed = found(kept(1, brightness=100.0))["brightness"].trimmed()
    assert trimmed.scale.edges[0] == 8.0  # next to the threshold of 16
    assert trimmed.scale.edges[-1] == 112.0
    untouched = found()["brightness"]
    assert untouched.trimmed() is untouched
