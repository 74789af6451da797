"""Views, correlations and crop windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixmill.images.likeness.hashing import SIDE, small_grey
from pixmill.images.likeness.similarity import (
    VIEWS,
    Compared,
    correlations,
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


@given(greys, greys)
def test_correlations_match_numpy(some, others) -> None:
    found = likeness(some, others)
    for row, one in enumerate(some):
        for column, other in enumerate(others):
            if Compared(one[None]).flat[0] or Compared(other[None]).flat[0]:
                assert found[row, column] == 0
            else:
                expected = np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1]
                assert found[row, column] == pytest.approx(expected, abs=0.000051)


def test_views_correlate_with_crops() -> None:
    generator = np.random.default_rng(3)
    luma = np.kron(generator.integers(0, 256, (8, 8)), np.ones((25, 25))).astype(np.uint8)
    seen = views(small_grey(luma)[None])[0]
    for crop in (luma[3:-3, 3:-3], luma[6:, 6:], luma[:-12, 6:-6], luma[12:, :-12], luma[:, 6:]):
        assert likeness(seen, small_grey(crop)[None]).max() > 0.99
    assert likeness(seen, small_grey(luma[50:, 50:])[None]).max() < 0.9
