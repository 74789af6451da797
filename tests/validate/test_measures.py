"""The pass over the pictures: measures, or one word why there are none."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from pixmill.validate.measures import Failure, Measures, Picture, measure_batch, sharpness
from tests.validate.conftest import encoded, picture, shapes


@pytest.fixture
def measured(tmp_path: Path):
    def measure(content: bytes, *, max_pixels: int = 1_000_000, name: str | None = None) -> Measures | Failure:
        path = tmp_path / "picture"
        path.write_bytes(content)
        [found] = measure_batch([Picture(name or hashlib.sha256(content).hexdigest(), path, max_pixels)])
        return found

    return measure


def test_it_tells_size_format_and_mode(measured) -> None:
    found = measured(encoded(shapes(1).resize((80, 50)).convert("CMYK"), "JPEG"))
    assert (found.width, found.height, found.format, found.mode) == (80, 50, "jpeg", "CMYK")


def test_brightness_and_contrast_are_those_of_the_luma(measured) -> None:
    image = shapes(2)
    luma = np.asarray(image.convert("L"), np.float64)
    found = measured(encoded(image, "PNG"))
    assert found.brightness == pytest.approx(luma.mean(), rel=1e-12)
    assert found.contrast == pytest.approx(luma.std(), rel=1e-12)


def test_the_same_pixels_have_the_same_digest_whatever_the_file(measured) -> None:
    files = [encoded(shapes(3), kind) for kind in ("PNG", "BMP", "TIFF")]
    assert len({measured(content).pixels for content in files}) == 1
    assert measured(files[0]).pixels != measured(picture(4)).pixels


def test_blur_lowers_sharpness(measured) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    sharp, blurred = (measured(encoded(image, "PNG")) for image in (noise, noise.filter(ImageFilter.GaussianBlur(2))))
    assert blurred.sharpness < sharp.sharpness / 10


@given(arrays(np.uint8, st.tuples(st.integers(3, 30), st.integers(3, 30))))
def test_sharpness_is_the_variance_of_the_laplacian(luma) -> None:
    values = luma.astype(float)
    inner = values[1:-1, 1:-1]
    laplacian = 4 * inner - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]
    assert sharpness(luma) == pytest.approx(laplacian.var(), abs=1e-9)


def test_sharpness_of_a_tall_picture_does_not_depend_on_how_it_is_cut() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (1000, 5), dtype=np.uint8)
    assert sharpness(luma) == pytest.approx(sharpness(np.ascontiguousarray(luma.T)), rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (40, 2)])
def test_where_there_is_no_laplacian_there_is_no_sharpness(shape: tuple[int, int]) -> None:
    assert sharpness(np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)) == 0


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


def test_a_file_that_is_gone_or_no_file_is_missing(tmp_path: Path) -> None:
    pictures = [Picture("0" * 64, tmp_path / "nowhere", 100), Picture("0" * 64, tmp_path, 100)]
    assert measure_batch(pictures) == [Failure("missing_file")] * 2
