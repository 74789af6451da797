"""A bitmap's size is looked at as its decoder reads it, with and without a sign."""

import struct

import numpy as np
import pytest

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.bmp import bmp_outline
from tests.images.samples import encoded, halves, shapes

PLAIN = encoded(shapes(), "BMP")


def sized(width: int, height: int) -> bytes:
    return PLAIN[:18] + struct.pack("<ii", width, height) + PLAIN[26:]


@pytest.mark.parametrize("height", [32, -32])
def test_rows_go_up_or_down(height: int) -> None:
    found = decode(sized(48, height)).pixels
    assert np.array_equal(found if height > 0 else found[::-1], np.asarray(shapes()))


@pytest.mark.parametrize("size", [(0, 5), (-5, 5), (5, 0)])
def test_a_picture_has_a_size(size: tuple[int, int]) -> None:
    with pytest.raises(Undecodable, match="broken"):
        bmp_outline(sized(*size))


def test_the_old_header_is_read() -> None:
    rows = bytes((1, 2, 3)) * 4
    content = b"BM" + struct.pack("<IIIIHHHH", 26 + len(rows), 0, 26, 12, 2, 1, 1, 24) + rows
    assert decode(content).pixels.tolist() == [[[3, 2, 1], [3, 2, 1]]]


def test_run_lengths_are_followed() -> None:
    # Two rows of four pixels: four of colour 1; one of colour 0 and three of colour 1.
    runs = b"\4\1\0\0" + b"\1\0\3\1\0\1"
    head = struct.pack("<IiiHHIIIIII", 40, 4, 2, 1, 8, 1, len(runs), 0, 0, 2, 0)
    content = b"BM" + struct.pack("<III", 62 + len(runs), 0, 62) + head + bytes((9, 9, 9, 0, 250, 0, 0, 0)) + runs
    found = decode(content).pixels
    assert found[1].tolist() == [[0, 0, 250]] * 4
    assert found[0].tolist() == [[9, 9, 9]] + [[0, 0, 250]] * 3
    with pytest.raises(Undecodable, match="truncated"):
        decode(content[:-7])


@pytest.mark.parametrize("mode", ["RGB", "P", "1", "L"])
def test_every_cut_in_the_pixels_is_one(mode: str) -> None:
    content = encoded(halves().convert(mode), "BMP")
    # The last row may want for nothing but its padding.
    for size in range(18, len(content) - 4, 7):
        with pytest.raises(Undecodable, match="truncated"):
            decode(content[:size])


def test_a_depth_that_there_is_not_is_broken() -> None:
    with pytest.raises(Undecodable, match="broken"):
        decode(PLAIN[:28] + struct.pack("<H", 30_000) + PLAIN[30:])


def test_the_fourth_channel_counts_only_where_the_header_names_it() -> None:
    rows = bytes((40, 30, 200, 0)) * 4
    size = struct.pack("<iiHH", 2, 2, 1, 32)
    plain = struct.pack("<I", 40) + size + bytes(24) + rows
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    named = struct.pack("<I", 56) + size + struct.pack("<I", 3) + bytes(20) + masks + rows
    for header, expected in ((plain, (200, 30, 40)), (named, (255, 255, 255))):
        start = 14 + len(header) - len(rows)
        found = decode(b"BM" + struct.pack("<III", start + len(rows), 0, start) + header)
        assert (found.pixels == expected).all()
