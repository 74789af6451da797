"""Pictures become squares in one way for training, evaluation and use."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.images import ASPECTS, RESIZES, fit

RED, BLUE = (255, 0, 0), (0, 0, 255)


def flag(width: int, height: int) -> np.ndarray:
    """Return a picture that is red above and blue below."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2], pixels[height // 2 :] = RED, BLUE
    return pixels


@given(st.integers(1, 70), st.integers(1, 70), st.integers(8, 40), st.sampled_from(ASPECTS), st.sampled_from(RESIZES))
def test_the_result_is_the_square_that_was_asked_for(
    width: int, height: int, size: int, aspect: str, resize: str
) -> None:
    found = fit(flag(width, height), size, aspect, resize)
    assert found.shape == (size, size, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_square_of_the_size_stays_as_it_is(aspect: str, resize: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert np.array_equal(fit(pixels, 24, aspect, resize), pixels)


def test_pad_keeps_the_whole_and_fills_with_the_colour_of_its_edge() -> None:
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


def test_stretch_ignores_the_aspect() -> None:
    found = fit(flag(60, 10), 20, "stretch")
    assert found[0, 10].tolist() == list(RED)
    assert found[-1, 10].tolist() == list(BLUE)


@pytest.mark.parametrize("resize", [name for name in RESIZES if name != "nearest"])
def test_shrinking_takes_the_mean_and_does_not_skip_pixels(resize: str) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, 8, "pad", resize)[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_nearest_takes_pixels_as_they_are() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert set(np.unique(fit(stripes, 8, "pad", "nearest"))) <= {0, 255}


def test_box_is_the_mean_of_what_a_pixel_covers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    means = pixels.reshape(8, 3, 8, 3, 3).mean(axis=(1, 3))
    assert np.abs(fit(pixels, 8, "pad", "box") - means).max() <= 1


def test_each_filter_is_another_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    assert len({fit(pixels, 16, "crop", resize).tobytes() for resize in RESIZES}) == len(RESIZES)
    assert np.array_equal(fit(pixels, 16, "crop"), fit(pixels, 16, "crop", "bicubic"))


def test_a_line_of_pixels_fits() -> None:
    assert fit(flag(500, 1), 16, "pad").shape == (16, 16, 3)
    assert fit(flag(1, 500), 16, "crop").shape == (16, 16, 3)
