"""Compression of packed images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixmill.core.errors import ManifestError
from pixmill.images.compression import compress, decompress


@given(st.integers(1, 9).flatmap(lambda side: arrays(np.uint8, (side, side, 3))))
def test_pixels_stay_equal(pixels):
    content = compress(pixels)
    np.testing.assert_array_equal(decompress(content, len(pixels)), pixels)
    assert content == compress(np.asfortranarray(pixels))


def test_resized_photograph_takes_less_than_half():
    # As smooth and as noisy as a small photograph that was enlarged.
    noise = np.random.default_rng(7).normal(0, 12, (32, 32, 1)).repeat(3, axis=2)
    pixels = (128 + noise.repeat(2, axis=0).repeat(2, axis=1)).clip(0, 255).astype(np.uint8)
    assert len(compress(pixels)) < pixels.size / 2


def test_every_flipped_bit_is_an_error_that_says_what_to_do():
    content = compress(np.random.default_rng(7).integers(0, 20, (8, 8, 3), dtype=np.uint8))
    flipped = [bytearray(content) for _ in range(8 * len(content))]
    for bit, damaged in enumerate(flipped):
        damaged[bit // 8] ^= 1 << bit % 8
    for damaged in (b"", content[:-1], b"no image", *map(bytes, flipped)):
        with pytest.raises(ManifestError) as caught:
            decompress(damaged, 8)
        assert caught.value.next == "dvc repro -f split"
