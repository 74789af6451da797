"""Measurements of an image, and its pixel digest."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from pixmill.core.params import ValidateParams
from pixmill.images import measures as module
from pixmill.images.decode import decode
from pixmill.images.likeness.hashing import small_grey
from pixmill.images.measures import (
    BORDER_LEVELS,
    MEASURED_SIDE,
    Measures,
    border,
    luma_statistics,
    measure,
    pixel_digest,
    scale,
    sharpness,
)
from pixmill.images.verified_reading import UndecodableError
from tests.validate.conftest import encoded, image, shapes


@pytest.fixture
def measured(tmp_path: Path):
    def look(content: bytes, *, max_pixels: int = 1_000_000, name: str | None = None) -> Measures:
        path = tmp_path / "image"
        path.write_bytes(content)
        return measure(path, name or hashlib.sha256(content).hexdigest(), max_pixels=max_pixels)

    return look


def test_size_format_and_mode(measured) -> None:
    found = measured(encoded(shapes(1).resize((80, 50)).convert("CMYK"), "JPEG"))
    assert (found.width, found.height, found.format, found.mode) == (80, 50, "jpeg", "CMYK")


def test_measures_are_computed_from_reduced_greys(measured) -> None:
    luma = shapes(2, side=330).convert("L")
    small = np.asarray(luma.reduce(2), np.float64)
    found = measured(encoded(luma, "PNG"))
    assert found.brightness == pytest.approx(small.mean(), rel=1e-12)
    assert found.contrast == pytest.approx(small.std(), rel=1e-12)
    assert found.sharpness == sharpness(np.asarray(luma.reduce(2)))
    grey = small_grey(np.asarray(luma.reduce(2)), factor=2, size=luma.size)
    assert np.array_equal(found.grey, grey)
    assert np.abs(grey.astype(int) - small_grey(np.asarray(luma))).max() <= 1


def test_measured_digest_is_the_pixel_digest(measured) -> None:
    image = shapes(3)
    assert measured(encoded(image, "PNG")).pixels == pixel_digest(image)


def test_changed_or_missing_file_is_refused(measured, tmp_path: Path) -> None:
    with pytest.raises(UndecodableError, match="changed_bytes"):
        measured(image(7), name="0" * 64)
    with pytest.raises(UndecodableError, match="missing_file"):
        measure(tmp_path / "nowhere", "0" * 64, max_pixels=100)


small = arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30)))


def noise(width: int, height: int, *, low: int = 0, high: int = 256) -> Image.Image:
    values = np.random.default_rng(width * 1000 + height).integers(
        low, high, (height, width), dtype=np.uint8
    )
    return Image.fromarray(values)


def reduced(image: Image.Image) -> Image.Image:
    return image.reduce(scale(image.size))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality))).convert("L")


@given(small)
def test_luma_statistics_match_numpy(luma) -> None:
    found = luma_statistics(Image.fromarray(luma))
    assert found.brightness == pytest.approx(luma.mean(), rel=1e-12)
    assert found.contrast == pytest.approx(luma.std(), abs=1e-6)
    share = np.bincount(luma.ravel()) / luma.size
    share = share[share > 0]
    assert found.entropy == pytest.approx(-(share * np.log2(share)).sum(), abs=1e-4)
    assert found.entropy >= 0


def laplacian(luma: np.ndarray) -> np.ndarray:
    values = luma.astype(float)
    inner = values[1:-1, 1:-1]
    return 4 * inner - values[:-2, 1:-1] - values[2:, 1:-1] - values[1:-1, :-2] - values[1:-1, 2:]


@given(arrays(np.uint8, st.tuples(st.integers(3, 30), st.integers(3, 30))))
def test_sharpness_is_the_variance_of_the_laplacian(luma) -> None:
    assert sharpness(luma) == pytest.approx(laplacian(luma).var(), abs=1e-9)


def test_sharpness_does_not_depend_on_strips() -> None:
    luma = np.asarray(noise(5, 10_000))
    assert sharpness(luma) == pytest.approx(laplacian(luma).var(), rel=1e-12)
    assert sharpness(np.ascontiguousarray(luma.T)) == sharpness(luma)


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (40, 2)])
def test_sharpness_of_tiny_images_is_0(shape: tuple[int, int]) -> None:
    assert sharpness(np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)) == 0


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_scale_is_the_largest_that_fits(width: int, height: int) -> None:
    factor = scale((width, height))
    found = [-(-side // factor) for side in (width, height)]
    if max(width, height) < 2 * MEASURED_SIDE:
        assert factor == 1
    elif min(width, height) >= 3 * max(width, height) / MEASURED_SIDE:
        assert MEASURED_SIDE <= max(found) <= 2 * MEASURED_SIDE
    assert min(found) >= min(width, height, 3)


def test_default_threshold_separates_blurred_from_sharp() -> None:
    minimum = ValidateParams().blurred.min_sharpness
    scene = noise(160, 120).resize((640, 480), Image.Resampling.BICUBIC)
    assert sharpness(np.asarray(reduced(scene))) > minimum
    assert sharpness(np.asarray(reduced(scene.filter(ImageFilter.GaussianBlur(12))))) < minimum


@pytest.mark.parametrize("colour", ["white", "black", "#7f8081", "red"])
def test_plain_colours_are_blank(colour: str) -> None:
    plain = recompressed(Image.new("RGB", (640, 480), colour), 80)
    assert luma_statistics(reduced(plain)).entropy < ValidateParams().blank.min_entropy
    assert border(np.asarray(reduced(plain))) == 1


def test_a_small_product_on_white_is_not_blank() -> None:
    ground = Image.new("RGB", (640, 640), "white")
    ground.paste(shapes(1, side=100), (260, 260))
    photograph = recompressed(ground, 85)
    assert luma_statistics(reduced(photograph)).entropy > 2 * ValidateParams().blank.min_entropy
    assert border(np.asarray(reduced(photograph))) == pytest.approx(1 - (100 / 640) ** 2, abs=0.02)


def boxed(
    inner: Image.Image, left: int, top: int, right: int, bottom: int, fill: int
) -> np.ndarray:
    return np.asarray(ImageOps.expand(inner, (left, top, right, bottom), fill=fill))


sides = st.integers(0, 12)


@given(sides, sides, sides, sides, st.sampled_from([0, 128, 255]))
def test_border_is_measured_to_the_pixel(
    left: int, top: int, right: int, bottom: int, fill: int
) -> None:
    inner = noise(20, 16)
    found = boxed(inner, left, top, right, bottom, fill)
    assert border(found) == (found.size - 20 * 16) / found.size


def test_nested_bars_of_different_colours_count() -> None:
    # Black bars at top and bottom inside full-height white bars at left and right, and transposed.
    tall = boxed(Image.fromarray(boxed(noise(20, 16), 0, 5, 0, 5, 0)), 4, 0, 4, 0, 255)
    assert border(tall) == border(np.ascontiguousarray(tall.T)) == (tall.size - 320) / tall.size


def test_gradient_is_no_border() -> None:
    levels = np.repeat(np.linspace(120, 255, 200).astype(np.uint8)[:, None], 100, axis=1)
    assert border(levels) < 4 * BORDER_LEVELS / 135


def test_line_of_another_colour_ends_a_border() -> None:
    page = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(page).line([(0, 10), (99, 10)], fill=0)
    ImageDraw.Draw(page).rectangle([(40, 40), (60, 60)], fill=0)
    # Ten rows above the line and 39 below the square; the line reaches both sides.
    assert border(np.asarray(page)) == 0.49


images = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def in_four_bytes(values: np.ndarray) -> bytes:
    return np.dstack([values, np.full(values.shape[:2], 255, np.uint8)]).tobytes()


@given(images)
def test_digest_covers_pixels_row_by_row(values) -> None:
    assert pixel_digest(Image.fromarray(values)) == blake3(in_four_bytes(values)).hexdigest()


@given(images, st.binary(min_size=81, max_size=81))
def test_digest_ignores_the_fourth_byte(values, fourth: bytes) -> None:
    height, width = values.shape[:2]
    channel = np.frombuffer(fourth, np.uint8)[: width * height].reshape(height, width, 1)
    content = np.concatenate([values, channel], axis=2).tobytes()
    image = Image.frombytes("RGB", (width, height), content, "raw", "RGBX")
    assert pixel_digest(image) == pixel_digest(Image.fromarray(values))


@given(images, st.integers(1, 30))
def test_digest_does_not_depend_on_parts(values, part: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PART_PIXELS", part)
        in_parts = pixel_digest(Image.fromarray(values))
    assert in_parts == pixel_digest(Image.fromarray(values))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_digest_does_not_depend_on_the_format(kind: str) -> None:
    # Few enough colours for a GIF.
    image = shapes(3).quantize(200).convert("RGB")
    content = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert pixel_digest(decode(content).image) == pixel_digest(image)


def test_digest_of_grey_equals_that_of_rgb() -> None:
    grey = shapes(3).convert("L")
    assert pixel_digest(grey) == pixel_digest(grey.convert("RGB"))
