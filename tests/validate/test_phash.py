"""The perceptual hash changes little when the picture does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.fft import dctn

from pixmill.validate.greys import SIDE
from pixmill.validate.phash import perceptual_hash

greys = arrays(np.uint8, (SIDE, SIDE))


def bits(a: int, b: int) -> int:
    return (a ^ b).bit_count()


@given(greys)
def test_it_is_64_bits_of_which_at_most_half_are_set(grey) -> None:
    found = perceptual_hash(grey)
    assert 0 <= found < 2**64
    assert found.bit_count() <= 32


def test_it_is_the_sign_of_the_lowest_frequencies_about_their_median() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    low = dctn(grey.astype(float), norm=None)[:8, :8].ravel()
    # No coefficient of noise lies so near the median that whole-number cosines would tell it otherwise.
    assert f"{perceptual_hash(grey):064b}" == "".join("01"[int(value > np.median(low))] for value in low)


@given(arrays(np.uint8, (SIDE, SIDE), elements=st.integers(0, 100)), st.integers(0, 55))
def test_more_light_and_more_contrast_change_at_most_the_mean(grey, light: int) -> None:
    assert bits(perceptual_hash(grey), perceptual_hash(2 * grey + np.uint8(light))) <= 2


@given(arrays(np.uint8, (SIDE, SIDE // 2)))
def test_symmetric_pictures_have_no_odd_frequencies(half) -> None:
    symmetric = np.concatenate([half, half[:, ::-1]], axis=1)
    odd = int("01010101" * 8, 2)
    found = perceptual_hash(symmetric)
    # Those coefficients are exactly zero, and so on one side of the median all together.
    assert found & odd in (0, odd)


def test_unlike_pictures_differ_in_many_bits() -> None:
    generator = np.random.default_rng(0)
    some = [perceptual_hash(generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)) for _ in range(50)]
    assert min(bits(a, b) for place, a in enumerate(some) for b in some[:place]) > 12
