"""A WebP's canvas is looked at before its decoder makes room for it."""

import struct

import numpy as np
import pytest
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.webp import webp_outline
from tests.images.samples import encoded, shapes

LOSSY = encoded(shapes(), "WEBP")
LOSSLESS = encoded(shapes(), "WEBP", lossless=True)
ANIMATED = encoded(shapes(), "WEBP", save_all=True, append_images=[shapes(1), shapes(2)], lossless=True)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def why(content: bytes) -> str | None:
    try:
        return webp_outline(content).fault
    except Undecodable as error:
        return error.reason


@pytest.mark.parametrize("content", [LOSSY, LOSSLESS, ANIMATED])
def test_the_size_is_that_of_the_canvas(content: bytes) -> None:
    found = webp_outline(content)
    assert (found.width, found.height, found.fault) == (48, 32, None)


@pytest.mark.parametrize("content", [LOSSY, LOSSLESS, ANIMATED])
def test_every_cut_is_one(content: bytes) -> None:
    assert {why(content[:size]) for size in range(12, len(content))} == {"truncated"}


def test_the_largest_claims_are_read() -> None:
    found = webp_outline(riff(canvas(1 << 24, 1 << 24)) + bytes(20))
    assert (found.width, found.height) == (1 << 24, 1 << 24)
    for kind, data in (
        (b"VP8 ", bytes(3) + b"\x9d\x01\x2a\xff\xff\xff\xff"),
        (b"VP8L", b"\x2f\xff\xff\xff\xff" + bytes(5)),
    ):
        found = webp_outline(riff((kind, data)))
        assert max(found.width, found.height) <= 1 << 14


def test_of_an_animation_the_first_frame_counts() -> None:
    assert np.array_equal(decode(ANIMATED).pixels, np.asarray(shapes()))


@pytest.mark.parametrize("turned", [1, 3, 6])
def test_exif_is_found_among_the_chunks(turned: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turned
    assert webp_outline(encoded(shapes(), "WEBP", exif=exif)).orientation == turned


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (riff((b"ABCD", bytes(40))), "broken"),
        (riff((b"VP8 ", bytes(40))), "broken"),
        (riff((b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + bytes(40))), "broken"),
        (riff(canvas(4, 4, 8), *[(b"JUNK", b"")] * 100_001), "too_complex"),
        (riff(), "truncated"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, expected: str) -> None:
    assert why(content) == expected
