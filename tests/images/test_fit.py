"""Resizing to a square and to a thumbnail."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.decode import decode
from pixmill.images.fit import ASPECTS, RESIZES, fit, thumbnail_uri

RED = (255, 0, 0)
BLUE = (0, 0, 255)


def flag(width: int, height: int) -> np.ndarray:
    """Return an image that is red above and blue below."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2] = RED
    pixels[height // 2 :] = BLUE
    return pixels


@settings(max_examples=25)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(8, 40),
    st.sampled_from(ASPECTS),
    st.sampled_from(RESIZES),
)
def test_result_has_the_requested_size(
    width: int, height: int, size: int, aspect: str, resize: str
) -> None:
    found = fit(flag(width, height), size, aspect, resize)
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_square_of_the_same_size_is_unchanged(aspect: str, resize: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert np.array_equal(fit(pixels, 24, aspect, resize), pixels)


def test_pad_keeps_the_image_and_fills_with_its_edge_colour() -> None:
    pixels = np.full((10, 20, 3), 77, np.uint8)
    pixels[3:7, 5:15] = 200
    found = fit(pixels, 20, "pad")
    assert (found[:5] == 77).all()
    assert (found[15:] == 77).all()
    assert np.array_equal(found[5:15], pixels)


def test_crop_takes_the_centre() -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255
    assert (fit(pixels, 10, "crop") == 255).all()


def test_stretch_ignores_the_aspect_ratio() -> None:
    found = fit(flag(60, 10), 20, "stretch")
    assert found[0, 10].tolist() == list(RED)
    assert found[-1, 10].tolist() == list(BLUE)


@pytest.mark.parametrize("resize", [name for name in RESIZES if name != "nearest"])
def test_shrinking_antialiases(resize: str) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, 8, "pad", resize)[2:-2, 2:-2].astype(int) - 127).max() <= 2


PREFIX = "data:image/jpeg;base64,"


def opened(uri: str) -> Image.Image:
    assert uri.startswith(PREFIX)
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PREFIX))))


def test_longer_side_has_the_requested_size() -> None:
    assert opened(thumbnail_uri(np.zeros((300, 600, 3), np.uint8), 96)).size == (96, 48)
    assert opened(thumbnail_uri(np.zeros((600, 200, 3), np.uint8), 60)).size == (20, 60)


def test_thumbnail_shows_the_image() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = (250, 128, 10)
    uri = thumbnail_uri(pixels, 32)
    found = decode(base64.b64decode(uri.removeprefix(PREFIX))).pixels
    assert np.abs(found[16, 28].astype(int) - (250, 128, 10)).max() < 16
    assert found[16, 3].max() < 16
