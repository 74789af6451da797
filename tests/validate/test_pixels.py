"""The digest of pixels depends on them, and on nothing else that Pillow knows of a picture."""

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pixmill.images import decode
from pixmill.validate import pixels as module
from pixmill.validate.pixels import pixel_digest
from tests.validate.conftest import encoded, shapes

TURNED = Image.Exif()
TURNED[0x0112] = 6

pictures = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def in_four_bytes(values: np.ndarray) -> bytes:
    return np.dstack([values, np.full(values.shape[:2], 255, np.uint8)]).tobytes()


@given(pictures)
def test_it_is_the_digest_of_the_pixels_row_by_row(values) -> None:
    assert pixel_digest(Image.fromarray(values)) == blake3(in_four_bytes(values)).hexdigest()


@given(pictures, st.data())
def test_any_other_pixel_makes_another_digest(values, data: st.DataObject) -> None:
    other = values.copy()
    place = tuple(data.draw(st.integers(0, side - 1)) for side in values.shape)
    other[place] ^= data.draw(st.integers(1, 255))
    assert pixel_digest(Image.fromarray(values)) != pixel_digest(Image.fromarray(other))


@given(pictures, st.binary(min_size=81, max_size=81))
def test_what_lies_beside_the_colours_is_nothing(values, fourth: bytes) -> None:
    height, width = values.shape[:2]
    beside = np.frombuffer(fourth, np.uint8)[: width * height].reshape(height, width, 1)
    content = np.concatenate([values, beside], axis=2).tobytes()
    picture = Image.frombytes("RGB", (width, height), content, "raw", "RGBX")
    assert pixel_digest(picture) == pixel_digest(Image.fromarray(values))


@given(pictures, st.integers(1, 30))
def test_a_picture_in_parts_has_the_same_digest(values, part: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PART", part)
        in_parts = pixel_digest(Image.fromarray(values))
    assert in_parts == pixel_digest(Image.fromarray(values))


def test_a_picture_that_pillow_holds_in_many_pieces_has_one_too() -> None:
    large = Image.linear_gradient("L").resize((2600, 2100)).convert("RGB")
    assert pixel_digest(large) == blake3(in_four_bytes(np.asarray(large))).hexdigest()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_the_same_pixels_have_the_same_digest_whatever_the_file(kind: str) -> None:
    # No more colours than a GIF can tell.
    image = shapes(3).quantize(200).convert("RGB")
    content = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert pixel_digest(decode(content).picture) == pixel_digest(image)


def test_greys_are_colours_too() -> None:
    grey = shapes(3).convert("L")
    assert pixel_digest(grey) == pixel_digest(grey.convert("RGB"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(image, kind, **options), id=f"{kind} {image.mode} {' '.join(options)}")
        for kind, modes in {
            "JPEG": "RGB L CMYK",
            "PNG": "RGB RGBA L LA P 1 I;16",
            "GIF": "P L",
            "BMP": "RGB L P 1",
            "WEBP": "RGB RGBA",
            "AVIF": "RGB RGBA",
        }.items()
        for image in (shapes(5).convert("L").convert(mode) for mode in modes.split())
        for options in ({}, {"exif": TURNED})
        if not options or kind in ("JPEG", "PNG", "WEBP")
    ],
)
def test_decoders_fill_the_fourth_byte(content: bytes) -> None:
    picture = decode(content).picture
    assert pixel_digest(picture, filled=True) == pixel_digest(picture)


def test_a_tiff_with_a_fourth_channel_has_the_digest_of_its_colours() -> None:
    image, beside = shapes(6), shapes(7).convert("L")
    four = Image.frombytes("RGBX", image.size, np.dstack([image, beside]).tobytes())
    found = decode(encoded(four, "TIFF")).picture
    assert pixel_digest(found) == pixel_digest(image)
    assert pixel_digest(found, filled=True) != pixel_digest(image)
