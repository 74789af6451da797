"""Images of more than 8 bits: their values, the window, and the conversion to 8 bits."""

import numpy as np
import pytest
from PIL import Image

from pixmill.images.depth import PROBABILITIES, WEIGHTS, find_window, measure_values, to_8_bits
from tests.images.samples import shapes


def greys(values: np.ndarray, window: tuple[float, ...] | None = None) -> list[int]:
    """Return the first row in 8 bits, with the image's own window by default."""
    # Enough rows for several strips.
    image = Image.fromarray(np.tile(values, (700, 1)))
    seen = np.asarray(to_8_bits(image, window or find_window([measure_values(image)])))
    assert (seen == seen[0]).all()
    return seen[0].tolist()


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_windows_of_whole_bits_keep_the_upper_8(bits: int, order: str) -> None:
    values = np.append(np.arange(0, 1 << bits, 1 << max(0, bits - 11)), (1 << bits) - 1)
    assert greys(values.astype(order)) == (values >> bits - 8).tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 0.25, 0.5, 1], np.float32), [0, 64, 128, 255]),
        (np.array([0, 0.5, 100, 255], np.float32), [0, 0, 100, 255]),
        (np.array([0, 1, 100, 255], np.int32), [0, 1, 100, 255]),
        (np.array([-1_000, 0, 3_000], np.int32), [0, 64, 255]),
        (np.array([29_000, 30_000, 31_000], np.uint16), [0, 128, 255]),
        (np.array([5_000], np.uint16), [156]),
    ],
    ids=[
        "unit",
        "float bytes",
        "bytes",
        "signed",
        "thermal",
        "constant",
    ],
)
def test_range_of_values_is_spread(values: np.ndarray, expected: list[int]) -> None:
    assert greys(values) == expected


def test_values_outside_the_window_are_clipped() -> None:
    assert greys(np.array([0, 100, 150, 201, 65_535], np.uint16), (100, 200)) == [
        0,
        0,
        128,
        255,
        255,
    ]


def test_few_outliers_do_not_change_the_window() -> None:
    values = np.random.default_rng(0).integers(29_000, 31_001, (300, 300)).astype(np.uint16)
    values[0, :50] = 0
    values[-1, -50:] = 65_535
    low, high = find_window([measure_values(Image.fromarray(values))])
    assert 29_000 <= low < 29_100
    assert 30_900 < high <= 31_000


def test_window_is_that_of_all_images() -> None:
    rng = np.random.default_rng(0)
    images = [
        Image.fromarray(rng.integers(0, most, (64, 64)).astype(np.uint16))
        for most in (500, 1_000, 4_096)
    ]
    assert [find_window([measure_values(image)]) for image in images] == [
        (0, 511),
        (0, 1_023),
        (0, 4_095),
    ]
    assert find_window([measure_values(image) for image in images]) == (0, 4_095)


@pytest.mark.parametrize("size", [(700, 500), (3, 20_000), (1, 1)])
def test_quantiles_match_all_pixels(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).normal(1_000, 50, size).astype(np.float32)
    found = measure_values(Image.fromarray(pixels))
    assert found is not None
    assert (found[0], found[-1]) == (pixels.min(), pixels.max())
    np.testing.assert_allclose(found[3:-3], np.quantile(pixels, PROBABILITIES[3:-3]), rtol=0.01)
    assert WEIGHTS.sum() == pytest.approx(1)


def test_images_of_8_bits_have_no_values() -> None:
    assert measure_values(shapes()) is None
    assert measure_values(shapes().convert("L")) is None
