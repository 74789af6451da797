"""Each kind of file has one defined result, and what is no whole picture one defined reason."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.images import Undecodable, decode

RED, GREEN, WHITE = (200, 30, 40), (10, 180, 60), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(width: int = 40, height: int = 24) -> Image.Image:
    """Return a picture that is red on the left and green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


def reason(content: bytes, **options: Any) -> str:
    with pytest.raises(Undecodable) as caught:
        decode(content, **options)
    return caught.value.reason


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds no such pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_lossless_formats_give_their_pixels(kind: str) -> None:
    found = decode(encoded(halves(), kind))
    assert np.array_equal(found.pixels, np.asarray(halves()))
    assert found.format == kind.lower()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(kind: str) -> None:
    found = decode(encoded(halves(), kind, quality=95, subsampling=0) if kind == "JPEG" else encoded(halves(), kind))
    assert found.pixels.shape == (24, 40, 3)
    assert np.abs(found.pixels[:, :10].astype(int) - RED).max() < 12


def test_grey_becomes_three_equal_channels() -> None:
    found = decode(encoded(halves().convert("L"), "PNG"))
    assert found.mode == "L"
    assert (found.pixels == found.pixels[:, :, :1]).all()


def test_a_palette_is_looked_up() -> None:
    found = decode(encoded(halves().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"))
    assert found.mode == "P"
    assert tuple(found.pixels[0, 0]) == RED


def test_cmyk_is_converted_and_not_inverted() -> None:
    found = decode(encoded(halves().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert found.mode == "CMYK"
    assert np.abs(found.pixels[:, :10].astype(int) - RED).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str) -> None:
    deep = np.tile(np.array([0, 255, 256, 32768, 65535], np.uint16), (5, 1))
    found = decode(encoded(Image.fromarray(deep), kind))
    assert found.pixels[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_floating_point_greys_are_clipped_to_sixteen_bits() -> None:
    deep = np.tile(np.array([-5.0, 256.0, 1e9], np.float32), (3, 1))
    assert decode(encoded(Image.fromarray(deep), "TIFF")).pixels[0, :, 0].tolist() == [0, 1, 255]


def test_pixels_that_are_no_numbers_are_refused() -> None:
    assert reason(encoded(Image.fromarray(np.full((3, 3), np.nan, np.float32)), "TIFF")) == "broken"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    image = Image.new(mode, (8, 8))  # black, and fully transparent
    assert (decode(encoded(image, "PNG")).pixels == 255).all()


def test_half_transparency_is_mixed_with_white() -> None:
    assert decode(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG")).pixels[0, 0].tolist() == [127] * 3


def test_a_transparent_palette_entry_is_laid_over_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 30, 40, 10, 180, 60])
    assert (decode(encoded(image, "PNG", transparency=0)).pixels == 255).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_followed(kind: str) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees clockwise to see it upright
    found = decode(encoded(halves(), kind, exif=exif))
    assert found.pixels.shape == (40, 24, 3)
    assert np.abs(found.pixels[2, 12].astype(int) - RED).max() < 40


@pytest.mark.parametrize("body", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"])
def test_broken_exif_costs_no_picture(body: bytes) -> None:
    jpeg = encoded(halves(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    assert decode(jpeg[:2] + segment + jpeg[2:]).pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, WHITE)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    assert np.abs(decode(content).pixels.astype(int) - RED).max() < 8


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"<!doctype html><title>gone</title>", "html"),
        (b"PK\x03\x04rest", "archive"),
        (b"%PDF-1.4", "pdf"),
        (b"plain text in a file named .jpg", "unknown"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(content: bytes, why: str) -> None:
    assert reason(content) == why


def test_a_header_that_contradicts_itself_is_broken() -> None:
    content = bytearray(encoded(halves(), "PNG"))
    content[20] ^= 0xFF  # the width, which its checksum no longer fits
    assert reason(bytes(content)) == "broken"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_half_a_picture_is_truncated(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    content = encoded(noise, kind)
    assert reason(content[: int(len(content) * share)]) == "truncated"


def test_half_a_webp_is_broken() -> None:
    content = encoded(halves(200, 200), "WEBP", lossless=True)
    assert reason(content[: len(content) // 2]) == "broken"


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png_header(30_000, 30_000)
    assert len(bomb) < 100
    assert reason(bomb) == "too_many_pixels"
    assert reason(png_header(2**31 - 1, 2**31 - 1)) == "too_many_pixels"


def test_the_limit_of_pixels_is_the_callers() -> None:
    content = encoded(halves(), "PNG")
    assert decode(content, max_pixels=40 * 24).pixels.shape == (24, 40, 3)
    assert reason(content, max_pixels=40 * 24 - 1) == "too_many_pixels"


SEEDS = {
    kind: encoded(halves(), kind)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP")  # libtiff speaks to the terminal of what it finds broken
}


@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    st.integers(0, 10_000),
)
def test_no_damage_crashes_it(kind: str, damage: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(SEEDS[kind])
    for place, value in damage:
        content[place % len(content)] = value
    del content[cut % len(content) + 1 :]
    with contextlib.suppress(Undecodable):
        pixels = decode(bytes(content), max_pixels=1_000_000).pixels
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
