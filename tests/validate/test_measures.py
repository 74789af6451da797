"""The pass over the pictures: measures, or one word why there are none."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixmill.validate.greys import small_grey
from pixmill.validate.luma import sharpness
from pixmill.validate.measures import Failure, Measures, Picture, measure
from pixmill.validate.phash import perceptual_hash
from pixmill.validate.pixels import pixel_digest
from tests.validate.conftest import encoded, picture, shapes


@pytest.fixture
def measured(tmp_path: Path):
    def look(content: bytes, *, max_pixels: int = 1_000_000, name: str | None = None) -> Measures | Failure:
        path = tmp_path / "picture"
        path.write_bytes(content)
        return measure(Picture(name or hashlib.sha256(content).hexdigest(), path, max_pixels))

    return look


def test_it_tells_size_format_and_mode(measured) -> None:
    found = measured(encoded(shapes(1).resize((80, 50)).convert("CMYK"), "JPEG"))
    assert (found.width, found.height, found.format, found.mode) == (80, 50, "jpeg", "CMYK")


def test_measures_are_those_of_the_greys(measured) -> None:
    luma = shapes(2, side=330).convert("L")
    small = np.asarray(luma.reduce(2), np.float64)
    found = measured(encoded(luma, "PNG"))
    assert found.brightness == pytest.approx(small.mean(), rel=1e-12)
    assert found.contrast == pytest.approx(small.std(), rel=1e-12)
    assert found.sharpness == sharpness(np.asarray(luma.reduce(2)))
    grey = small_grey(np.asarray(luma.reduce(2)), factor=2, size=luma.size)
    assert (found.grey, found.phash) == (grey.tobytes(), perceptual_hash(grey))
    assert np.abs(grey.astype(int) - small_grey(np.asarray(luma))).max() <= 1


def test_the_digest_is_that_of_the_pixels(measured) -> None:
    image = shapes(3)
    assert measured(encoded(image, "PNG")).pixels == pixel_digest(image)


def test_blur_lowers_sharpness(measured) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    sharp, blurred = (measured(encoded(image, "PNG")) for image in (noise, noise.filter(ImageFilter.GaussianBlur(2))))
    assert blurred.sharpness < sharp.sharpness / 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (picture(5, kind="JPEG", side=300)[:2000], "truncated"),
        (b"a text in a file named .jpg", "unknown"),
        (b"<html></html>", "html"),
        (b"", "empty"),
        (picture(6, side=1001), "too_many_pixels"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(measured, content: bytes, reason: str) -> None:
    assert measured(content) == Failure(reason)


def test_a_file_that_changed_is_not_the_picture_it_was(measured) -> None:
    assert measured(picture(7), name="0" * 64) == Failure("changed_bytes")


def test_a_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    assert measure(Picture("0" * 64, tmp_path / "nowhere", 100)) == Failure("missing_file")
