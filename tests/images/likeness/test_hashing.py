"""Small greys and perceptual hashes."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.fft import dctn

from pixmill.images.likeness.hashing import SIDE, perceptual_hashes, small_grey

sides = st.integers(1, 100)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(
        0, 256, (height, width), dtype=np.uint8
    )


@settings(max_examples=25)
@given(sides, sides)
@example(3, 1500)
@example(1500, 3)
def test_pixels_count_by_area(height: int, width: int) -> None:
    luma = noise(height, width)
    # Enlarge each pixel to a block of 32 x 32, so that cells contain whole pixels only.
    blocks = np.kron(luma.astype(np.float64), np.ones((SIDE, SIDE)))
    means = blocks.reshape(SIDE, height, SIDE, width).mean(axis=(1, 3))
    assert np.abs(small_grey(luma) - means).max() <= 0.5 + 1e-9


@settings(max_examples=25)
@given(sides, sides, st.integers(1, 7))
def test_reduced_images_give_the_same_greys(height: int, width: int, factor: int) -> None:
    squares = noise(-(-height // factor), -(-width // factor))
    image = np.kron(squares, np.ones((factor, factor), np.uint8))[:height, :width]
    assert np.array_equal(
        small_grey(squares, factor=factor, size=(width, height)), small_grey(image)
    )


greys = arrays(np.uint8, (SIDE, SIDE))


def perceptual_hash(grey: np.ndarray) -> int:
    return int(perceptual_hashes(grey[None])[0])


def bits(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def test_hash_compares_low_frequencies_with_their_median() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    low = dctn(grey.astype(float), norm=None)[:8, :8].ravel()
    # In noise no coefficient is so near the median that integer cosines change its bit.
    assert f"{perceptual_hash(grey):064b}" == "".join(
        "01"[int(value > np.median(low))] for value in low
    )


@settings(max_examples=25)
@given(arrays(np.uint8, (SIDE, SIDE), elements=st.integers(0, 100)), st.integers(0, 55))
def test_hash_is_robust_to_light_and_contrast(grey, light: int) -> None:
    assert bits(perceptual_hash(grey), perceptual_hash(2 * grey + np.uint8(light))) <= 2
