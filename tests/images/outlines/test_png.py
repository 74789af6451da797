"""Of a PNG its decoder sees header, palette, transparency and pixels; every checksum is looked at."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.png import png_outline, stops_short
from tests.images.samples import chunk, encoded, halves, png_header, shapes

PLAIN = encoded(shapes(), "PNG")
START = 33
"""Where the first chunk behind the header begins."""


def before(*chunks: bytes, content: bytes = PLAIN) -> bytes:
    """Return the picture with chunks before its pixels."""
    return content[:START] + b"".join(chunks) + content[START:]


def behind(*chunks: bytes) -> bytes:
    """Return the picture with chunks behind its pixels."""
    return PLAIN[:-12] + b"".join(chunks) + PLAIN[-12:]


def why(content: bytes) -> str | None:
    try:
        return png_outline(content).fault
    except Undecodable as error:
        return error.reason


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "I;16"])
def test_a_plain_file_is_needed_as_it_is(mode: str) -> None:
    content = encoded(halves().quantize(4) if mode == "P" else Image.new(mode, (40, 24)), "PNG")
    found = png_outline(content)
    assert found.needed is content
    assert (found.width, found.height, found.fault) == (40, 24, None)


def test_what_no_pixel_depends_on_is_left_out() -> None:
    secret = chunk(b"tEXt", b"key\0a secret")
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    for content in (before(secret, turned, secret), behind(turned, secret, secret)):
        found = png_outline(content)
        assert found.needed == PLAIN
        assert found.orientation == 3


def test_bombs_in_texts_and_profiles_are_never_unpacked() -> None:
    packed = zlib.compress(bytes(20 << 20))
    kinds = ((b"zTXt", b"key\0\0"), (b"iCCP", b"key\0\0"), (b"iTXt", b"key\0\1\0en\0key\0"))
    content = before(*(chunk(kind, head + packed) for kind, head in kinds))
    assert np.array_equal(decode(content).pixels, np.asarray(shapes()))


def test_palette_and_transparency_stay() -> None:
    content = encoded(halves().quantize(4), "PNG", transparency=0)
    assert png_outline(before(chunk(b"pHYs", bytes(9)), content=content)).needed == content


def test_of_an_animation_the_picture_that_everybody_sees_stays() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    assert b"acTL" in content
    assert b"acTL" not in png_outline(content).needed
    assert b"fdAT" not in png_outline(content).needed


def test_what_stands_behind_the_end_is_nothing() -> None:
    assert why(PLAIN + b"<script>") is None


def test_every_cut_in_the_pixels_is_one() -> None:
    for size in range(8, len(PLAIN) - 12):
        with pytest.raises(Undecodable, match="truncated"):
            decode(PLAIN[:size])


@pytest.mark.parametrize("size", range(1, 13))
def test_behind_the_pixels_nothing_is_missed(size: int) -> None:
    assert np.array_equal(decode(PLAIN[:-size]).pixels, np.asarray(shapes()))
    with pytest.raises(Undecodable, match="truncated"):
        decode(PLAIN[:-50] + PLAIN[-12:-size])


@given(st.integers(8 * 8, 8 * len(PLAIN) - 1))
def test_no_flipped_bit_gives_other_pixels(bit: int) -> None:
    harmed = bytearray(PLAIN)
    harmed[bit // 8] ^= 1 << (bit % 8)
    try:
        assert np.array_equal(decode(bytes(harmed)).pixels, np.asarray(shapes()))
    except Undecodable as error:
        event(error.reason)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", bytes(40)), "broken"),
        (PLAIN[:START] + PLAIN[-12:], "broken"),
        (png_header(0, 4), "broken"),
        (before(chunk(b"tEXt", b"")[:-1] + b"?"), "broken"),
        (behind(chunk(b"tEXt", b"")[:-1] + b"?"), "broken"),
        (before(chunk(b"tEXt", b"") * 100_001), "too_complex"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, expected: str) -> None:
    assert why(content) == expected


def test_pixels_behind_something_else_are_none() -> None:
    # As decoders have it; the specification wants all of them in a row.
    end = PLAIN.index(b"IEND") - 4
    size = struct.unpack_from(">I", PLAIN, START)[0]
    data = PLAIN[START + 8 : START + 8 + size]
    halved = (
        PLAIN[:START] + chunk(b"IDAT", data[:50]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", data[50:]) + PLAIN[end:]
    )
    assert png_outline(halved).needed == PLAIN[:START] + chunk(b"IDAT", data[:50]) + PLAIN[end:]
    with pytest.raises(Undecodable, match="truncated"):
        decode(halved)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colour", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (13, 9)])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_the_number_of_bytes_is_known(size: tuple[int, int], colour: int, depth: int, interlaced: int) -> None:
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    rows = np.zeros(size[::-1])
    # Which pixels go with which pass, counted in the figure of the specification's eighth section.
    adam7 = np.array(
        [
            [1, 6, 4, 6, 2, 6, 4, 6],
            [7, 7, 7, 7, 7, 7, 7, 7],
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7, 7, 7, 7, 7, 7, 7, 7],
            [3, 6, 4, 6, 3, 6, 4, 6],
            [7, 7, 7, 7, 7, 7, 7, 7],
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7, 7, 7, 7, 7, 7, 7, 7],
        ]
    )
    passes = np.tile(adam7, (2, 2))[: rows.shape[0], : rows.shape[1]] if interlaced else rows
    total = 0
    for number in np.unique(passes):
        counts = (passes == number).sum(axis=1)
        total += sum(1 + -(-int(count) * bits // 8) for count in counts if count)
    whole = png_header(*size, bytes(total), depth=depth, colour=colour, interlaced=interlaced)
    short = png_header(*size, bytes(total - 1), depth=depth, colour=colour, interlaced=interlaced)
    assert (stops_short(whole), stops_short(short)) == (False, True)


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_data_that_end_with_a_row_are_no_picture(colour: int, interlaced: int) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    with pytest.raises(Undecodable) as caught:
        decode(png_header(100, 80, bytes(40 * (1 + 100 * channels)), colour=colour, interlaced=interlaced))
    assert caught.value.reason == "truncated"


def test_black_pictures_are_pictures() -> None:
    assert not decode(png_header(100, 80, bytes(80 * 301))).pixels.any()
    sevens = Image.new("RGB", (10, 10), (7, 0, 0))
    assert (decode(encoded(sevens, "PNG")).pixels == (7, 0, 0)).all()
