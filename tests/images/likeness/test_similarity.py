"""Views, correlations and crop windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicSpline

from pixmill.images.likeness.hashing import SIDE, small_grey
from pixmill.images.likeness.similarity import (
    VIEWS,
    Compared,
    _window,
    correlations,
    is_flat,
    views,
)

greys = arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(SIDE), st.just(SIDE)))


def likeness(some, others):
    return correlations(Compared(some), Compared(others))


@given(greys)
def test_views_begin_with_the_image_itself(some) -> None:
    found = views(some)
    assert found.shape == (len(some), VIEWS, SIDE, SIDE)
    assert (found[:, 0] == some).all()


@given(greys)
def test_mirrored_views_follow_the_others(some) -> None:
    both = views(some, mirror=True)
    assert (both[:, :VIEWS] == views(some)).all()
    assert (both[:, VIEWS:] == both[:, :VIEWS, :, ::-1]).all()


@given(greys)
def test_views_do_not_depend_on_other_images(some) -> None:
    assert (np.concatenate([views(one[None]) for one in some]) == views(some)).all()


@given(greys, greys)
def test_correlations_match_numpy(some, others) -> None:
    found = likeness(some, others)
    for row, one in enumerate(some):
        for column, other in enumerate(others):
            if is_flat(one[None])[0] or is_flat(other[None])[0]:
                assert found[row, column] == 0
            else:
                expected = np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1]
                assert found[row, column] == pytest.approx(expected, abs=0.000051)


def test_single_grey_step_is_flat() -> None:
    step = np.zeros((2, SIDE, SIDE), np.uint8)
    step[0, :, 16:] = 1
    step[1, :, 16:] = 3
    assert is_flat(step).tolist() == [True, False]


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.0, 0.94), (0.015, 0.985), (0.06, 1.0)])
def test_window_matches_scipys_spline(start: float, stop: float) -> None:
    start = start * SIDE
    stop = stop * SIDE
    values = np.random.default_rng(0).uniform(0, 255, SIDE)
    sums = CubicSpline(
        np.arange(SIDE + 1), np.concatenate([[0], values.cumsum()]), bc_type="natural"
    )
    expected = np.diff(sums(np.linspace(start, stop, SIDE + 1))) * SIDE / (stop - start)
    window = _window(start, stop)
    assert np.abs(window @ values - expected).max() < 6  # weights are whole 256ths
    assert (window.sum(axis=1) == 1).all()


def test_views_correlate_with_crops() -> None:
    generator = np.random.default_rng(3)
    luma = np.kron(generator.integers(0, 256, (8, 8)), np.ones((25, 25))).astype(np.uint8)
    seen = views(small_grey(luma)[None])[0]
    for crop in (luma[3:-3, 3:-3], luma[6:, 6:], luma[:-12, 6:-6], luma[12:, :-12], luma[:, 6:]):
        assert likeness(seen, small_grey(crop)[None]).max() > 0.99
    assert likeness(seen, small_grey(luma[50:, 50:])[None]).max() < 0.9
