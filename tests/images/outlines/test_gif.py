"""Of a GIF its decoder sees the first frame, as a file of its own."""

import io

import numpy as np
import pytest
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.gif import gif_outline
from tests.images.samples import GREEN, RED, WHITE, encoded, halves, shapes

PLAIN = encoded(shapes().quantize(16), "GIF")


def why(content: bytes) -> str | None:
    try:
        return gif_outline(content).fault
    except Undecodable as error:
        return error.reason


def shrunk(left: int, top: int, width: int, height: int, **options: int) -> bytes:
    """Return a GIF of ``halves()`` in a larger screen, at a place."""
    content = bytearray(encoded(halves(20, 10).quantize(4), "GIF", **options))
    content[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    frame = content.index(b",\0\0\0\0")
    content[frame + 1 : frame + 5] = left.to_bytes(2, "little") + top.to_bytes(2, "little")
    return bytes(content)


def test_the_first_frame_is_a_file_of_its_own() -> None:
    later = [shapes(seed).quantize(16) for seed in (1, 2)]
    content = encoded(shapes().quantize(16), "GIF", save_all=True, append_images=later, comment="a secret", duration=9)
    found = gif_outline(content)
    assert (found.width, found.height, found.fault, found.place) == (48, 32, None, None)
    assert b"secret" not in found.needed
    assert b"NETSCAPE" not in found.needed
    assert len(found.needed) < len(content) / 2
    with Image.open(io.BytesIO(found.needed)) as alone, Image.open(io.BytesIO(content)) as animated:
        assert alone.n_frames == 1
        assert alone.convert("RGB").tobytes() == animated.convert("RGB").tobytes()


def test_transparency_stays() -> None:
    picture = Image.new("P", (4, 4))
    picture.putpalette([200, 30, 40, 10, 180, 60])
    assert (decode(encoded(picture, "GIF", transparency=0)).pixels == 255).all()
    assert (decode(encoded(picture, "GIF")).pixels == (200, 30, 40)).all()


def test_around_a_small_frame_there_is_white() -> None:
    found = decode(shrunk(5, 3, 40, 30)).pixels
    assert found.shape == (30, 40, 3)
    assert tuple(found[3, 5]) == RED
    assert tuple(found[12, 24]) == GREEN
    around = np.ones((30, 40), bool)
    around[3:13, 5:25] = False
    assert (found[around] == WHITE).all()


def test_a_frame_beyond_the_screen_widens_it() -> None:
    found = decode(shrunk(5, 3, 10, 10)).pixels
    assert found.shape == (13, 25, 3)
    assert tuple(found[12, 24]) == GREEN


def test_every_cut_in_the_first_frame_is_one() -> None:
    for size in range(6, len(PLAIN) - 3):
        with pytest.raises(Undecodable, match="truncated"):
            decode(PLAIN[:size])


@pytest.mark.parametrize("size", [1, 2])
def test_behind_the_pixels_nothing_is_missed(size: int) -> None:
    assert np.array_equal(decode(PLAIN[:-size]).pixels, decode(PLAIN).pixels)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"GIF89a\1\0\1\0\0\0\0;", "broken"),
        (b"GIF89a\1\0\1\0\0\0\0x", "broken"),
        (b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\0\0\1\0\0\2\0;", "broken"),
        (b"GIF89a", "truncated"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, expected: str) -> None:
    assert why(content) == expected
