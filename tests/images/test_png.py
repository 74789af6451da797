"""PNG files decode to their pixels and have reproducible bytes."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pixmill.images.png import png_bytes

sides = st.integers(1, 40)
shapes = st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, st.just(3)))


@settings(max_examples=25)
@given(shapes.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_pillow_decodes_the_same_pixels(pixels):
    with Image.open(io.BytesIO(png_bytes(pixels))) as image:
        assert image.format == "PNG"
        assert image.mode == ("L" if pixels.ndim == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("width", [65_534, 65_535, 65_536, 200_000])
def test_images_may_exceed_one_stored_block(width):
    pixels = (np.arange(2 * width) % 251).astype(np.uint8).reshape(2, width)
    with Image.open(io.BytesIO(png_bytes(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("shape", "digest"),
    [
        ((112, 112), "1ec5c7c37969476239675e1ef707ece671696b6df816395491bd7a7dff4513d5"),
        ((300, 300, 3), "8d436718f9cda0a6cd5e710a18d370a25a2c47b2cec99b4bfb4a251757cd789a"),
    ],
)
def test_bytes_are_pinned(shape, digest):
    pixels = (np.arange(np.prod(shape)) * 7 % 256).astype(np.uint8).reshape(shape)
    assert hashlib.sha256(png_bytes(pixels)).hexdigest() == digest
