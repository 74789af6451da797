"""Thumbnails are small, and part of the page."""

import base64
import io

import numpy as np
from PIL import Image

from pixmill.images import decode
from pixmill.images.thumbnail import thumbnail_uri

PREFIX = "data:image/jpeg;base64,"


def opened(uri: str) -> Image.Image:
    assert uri.startswith(PREFIX)
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PREFIX))))


def test_the_longer_side_is_the_one_asked_for() -> None:
    assert opened(thumbnail_uri(np.zeros((300, 600, 3), np.uint8), 96)).size == (96, 48)
    assert opened(thumbnail_uri(np.zeros((600, 200, 3), np.uint8), 60)).size == (20, 60)


def test_a_small_picture_keeps_its_size() -> None:
    assert opened(thumbnail_uri(np.zeros((10, 20, 3), np.uint8), 96)).size == (20, 10)


def test_it_shows_the_picture() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = (250, 128, 10)
    uri = thumbnail_uri(pixels, 32)
    found = decode(base64.b64decode(uri.removeprefix(PREFIX))).pixels
    assert np.abs(found[16, 28].astype(int) - (250, 128, 10)).max() < 16
    assert found[16, 3].max() < 16


def test_the_same_picture_gives_the_same_uri() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    assert thumbnail_uri(pixels) == thumbnail_uri(pixels.copy())
    assert len(thumbnail_uri(pixels, 96)) < 10_000
