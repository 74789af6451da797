"""The small grey is the exact mean over each part of a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.validate.greys import SIDE, small_grey

sides = st.integers(1, 100)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width), dtype=np.uint8)


@given(sides, sides)
def test_every_pixel_counts_by_its_share(height: int, width: int) -> None:
    luma = noise(height, width)
    # Each pixel as a block of 32 x 32 equal ones: then every cell holds whole pixels only.
    blocks = np.kron(luma.astype(np.float64), np.ones((SIDE, SIDE)))
    means = blocks.reshape(SIDE, height, SIDE, width).mean(axis=(1, 3))
    assert np.abs(small_grey(luma) - means).max() <= 0.5 + 1e-9


@given(sides, sides, st.integers(1, 7))
def test_means_over_squares_count_by_their_part_of_the_picture(height: int, width: int, factor: int) -> None:
    squares = noise(-(-height // factor), -(-width // factor))
    picture = np.kron(squares, np.ones((factor, factor), np.uint8))[:height, :width]
    assert np.array_equal(small_grey(squares, factor=factor, size=(width, height)), small_grey(picture))


def test_a_picture_of_the_size_stays_as_it_is() -> None:
    luma = noise(SIDE, SIDE)
    assert np.array_equal(small_grey(luma), luma)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1000, 3), (3, 1000)])
def test_a_flat_picture_stays_flat(shape: tuple[int, int]) -> None:
    assert (small_grey(np.full(shape, 200, np.uint8)) == 200).all()
