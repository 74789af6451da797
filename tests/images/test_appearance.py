"""Conversion of Pillow's modes for display."""

import numpy as np
import pytest
from PIL import Image

from pixmill.images.display import as_displayed
from tests.images.samples import halves, shapes


def colours(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the pixels of the first row in RGB."""
    return [tuple(map(int, pixel)) for pixel in np.asarray(image.convert("RGB"))[0]]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_suitable_images_are_not_copied(mode: str) -> None:
    image = halves().convert(mode)
    assert as_displayed(image).im is image.im


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "La", "RGBa"])
def test_transparency_is_composed_on_white(mode: str) -> None:
    layered = Image.new("LA", (3, 1))
    layered.putdata([(0, 0), (0, 255), (0, 128)])
    image = {"La": layered.convert("La"), "LA": layered}.get(mode) or layered.convert(
        "RGBA"
    ).convert(mode)
    assert colours(as_displayed(image)) == [(255,) * 3, (0,) * 3, (127,) * 3]


@pytest.mark.parametrize(
    ("grey", "alpha", "shown"),
    [
        (255, 255, (0, 255)),
        (0, 14, (255, 241)),
        (255, 0, (255, 255)),
    ],
    ids=["white", "faint black", "nothing"],
)
def test_the_background_hides_no_content(grey: int, alpha: int, shown: tuple[int, int]) -> None:
    image = Image.new("LA", (2, 1))
    image.putdata([(0, 0), (grey, alpha)])
    assert colours(as_displayed(image)) == [(level,) * 3 for level in shown]


@pytest.mark.parametrize(
    ("mode", "values", "clear"),
    [("L", [0, 9], 9), ("1", [0, 255], 255), ("RGB", [(0, 0, 0), (9, 9, 9)], (9, 9, 9))],
)
def test_transparent_value_becomes_white(mode: str, values: list[int], clear: int) -> None:
    image = Image.new(mode, (2, 1))
    image.putdata(values)
    image.info["transparency"] = clear
    assert colours(as_displayed(image)) == [(0, 0, 0), (255, 255, 255)]


def test_opaque_images_keep_their_colours() -> None:
    assert as_displayed(shapes().convert("RGBA")) == shapes()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX"])
def test_other_colours_are_converted(mode: str) -> None:
    seen = as_displayed(halves().convert(mode))
    assert seen.mode == "RGB"
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(halves())).max() < 5


def test_bilevel_images_become_grey() -> None:
    seen = as_displayed(Image.new("1", (2, 2), 1))
    assert (seen.mode, seen.getpixel((0, 0))) == ("L", 255)
