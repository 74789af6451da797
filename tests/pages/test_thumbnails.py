"""Thumbnails of untrusted files."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.images.fit import thumbnail_uri
from pixmill.pages.thumbnails import Thumbnail, thumbnails


@pytest.fixture
def image(tmp_path: Path) -> Thumbnail:
    path = tmp_path / "wide.png"
    Image.fromarray(np.full((40, 80, 3), (200, 30, 30), np.uint8)).save(path)
    return Thumbnail(hashlib.sha256(path.read_bytes()).hexdigest(), path)


def test_thumbnail_of_raw_and_of_fitted_image(image: Thumbnail) -> None:
    square = Thumbnail(image.id, image.path, side=20, aspect="crop")
    assert thumbnails([image, square, image], limits=None, workers=0) == {
        image: thumbnail_uri(np.full((40, 80, 3), (200, 30, 30), np.uint8)),
        square: thumbnail_uri(np.full((20, 20, 3), (200, 30, 30), np.uint8)),
    }


def test_decodes_in_another_process_by_default(
    image: Thumbnail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an untrusted image was decoded in the process of the stage")

    monkeypatch.setattr("pixmill.pages.thumbnails.decode", refuse)
    assert list(thumbnails([image])) == [image]


def test_skips_missing_changed_and_too_large_images(image: Thumbnail, tmp_path: Path) -> None:
    gone = Thumbnail(image.id, tmp_path / "gone.png")
    other = Thumbnail("0" * 64, image.path)
    large = Thumbnail(image.id, image.path, max_pixels=100)
    assert thumbnails([gone, other, large], limits=None, workers=0) == {}
