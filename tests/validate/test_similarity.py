"""Similarity is high for slight edits of a picture, and of no meaning for flat ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicSpline

from pixmill.validate.greys import SIDE, small_grey
from pixmill.validate.similarity import VIEWS, _window, correlations, is_flat, unit_vectors, views

greys = arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(SIDE), st.just(SIDE)))


@given(greys)
def test_unit_vectors_have_length_one_or_are_of_flat_pictures(some) -> None:
    lengths = np.linalg.norm(unit_vectors(some), axis=1)
    assert np.isfinite(lengths).all()
    flat = is_flat(some)
    assert (lengths[flat] == 0).all()
    assert np.abs(lengths[~flat] - 1).max(initial=0) < 1e-5


@given(greys)
def test_views_are_finite_and_begin_with_the_picture_itself(some) -> None:
    found = views(some)
    assert found.shape == (len(some), VIEWS, SIDE * SIDE)
    assert np.isfinite(found).all()
    assert np.abs(found[:, 0] - unit_vectors(some)).max() < 1e-5


@given(greys)
def test_correlations_lie_between_minus_one_and_one(some) -> None:
    found = correlations(views(some)[0], unit_vectors(some))
    assert np.abs(found).max() <= 1 + 1e-5
    assert found[0, 0] == pytest.approx(0 if is_flat(some)[0] else 1, abs=1e-5)


def test_a_single_step_of_grey_is_flat() -> None:
    step = np.zeros((2, SIDE, SIDE), np.uint8)
    step[0, :, 16:] = 1
    step[1, :, 16:] = 3
    assert is_flat(step).tolist() == [True, False]


@pytest.mark.parametrize(("start", "stop"), [(0.0, 32.0), (0.0, 30.08), (0.48, 31.52), (1.92, 32.0)])
def test_a_window_is_the_spline_through_the_running_sums(start: float, stop: float) -> None:
    values = np.random.default_rng(0).uniform(0, 255, SIDE)
    sums = CubicSpline(np.arange(SIDE + 1), np.concatenate([[0], values.cumsum()]), bc_type="natural")
    expected = np.diff(sums(np.linspace(start, stop, SIDE + 1))) * SIDE / (stop - start)
    assert np.allclose(_window(start, stop) @ values, expected, atol=1e-3)


def test_some_view_shows_what_a_crop_shows() -> None:
    generator = np.random.default_rng(3)
    luma = np.kron(generator.integers(0, 256, (8, 8)), np.ones((25, 25))).astype(np.uint8)
    seen = views(small_grey(luma)[None])[0]
    for crop in (luma[3:-3, 3:-3], luma[6:, 6:], luma[:-12, 6:-6], luma[12:, :-12]):
        best = correlations(seen, unit_vectors(small_grey(crop)[None])).max()
        assert best > 0.99
    assert correlations(seen, unit_vectors(small_grey(luma[50:, 50:])[None])).max() < 0.9
