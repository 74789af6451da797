"""Of a TIFF its decoder sees the first directory, and there nothing but what pixels depend on."""

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.tiff import tiff_outline
from tests.images.samples import encoded, halves, shapes

PIXELS = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 278: 4, 279: 16}


def tiff(tags: dict[int, int | tuple[int, int]], *, following: int = 0, order: str = "<", big: bool = False) -> bytes:
    """Return a TIFF of 4 x 4 greys; of a pair the first is how many numbers there are, the second where."""
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 32) if big else (42, 24)))
    place = "Q" if big else "I"
    entries = b"".join(
        struct.pack(
            order + "HH" + place * 2, tag, 16 if big else 4, *(value if isinstance(value, tuple) else (1, value))
        )
        for tag, value in sorted(tags.items())
    )
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    return head + bytes(range(0, 160, 10)) + count + entries + struct.pack(order + place, following)


def why(content: bytes) -> str | None:
    try:
        decode(content)
    except Undecodable as error:
        return error.reason
    return None


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_both_orders_and_both_sizes_are_read(order: str, big: bool) -> None:
    content = tiff(PIXELS | {273: 16 if big else 8}, order=order, big=big)
    found = decode(content)
    assert found.pixels[:, :, 0].ravel().tolist() == list(range(0, 160, 10))
    assert (found.format, found.mode) == ("tiff", "L")


def test_the_one_that_pillow_cannot_read_is_named() -> None:
    assert why(tiff(PIXELS, order=">", big=True)) == "no_decoder"


def test_what_no_pixel_depends_on_is_left_out() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    exif.get_ifd(0x8825)[1] = "N"
    content = encoded(shapes(), "TIFF", exif=exif, icc_profile=b"a profile", software="a camera")
    with Image.open(io.BytesIO(tiff_outline(content).needed)) as seen:
        assert set(seen.tag_v2) <= {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 338, 339}
        assert (seen.n_frames, seen.info.get("icc_profile")) == (1, None)
        assert seen.convert("RGB").tobytes() == shapes().tobytes()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd"])
def test_each_packing_is_undone(compression: str) -> None:
    found = decode(encoded(shapes(), "TIFF", compression=compression)).pixels
    assert np.abs(found.astype(int) - np.asarray(shapes())).max() <= (60 if compression == "jpeg" else 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F", "I"])
def test_each_mode_is_read(mode: str) -> None:
    picture = halves().quantize(4) if mode == "P" else halves().convert("L" if mode == "I;16" else mode).convert(mode)
    found = decode(encoded(picture, "TIFF"))
    assert found.mode == mode
    assert found.pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("tag", [330, 34_665, 34_853, 40_965, 700, 34_675])
def test_ways_into_circles_are_not_gone(tag: int) -> None:
    assert why(tiff(PIXELS | {tag: 24})) is None
    assert why(tiff(PIXELS | {tag: (1000, 24)})) is None
    assert why(tiff(PIXELS, following=24)) is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({**PIXELS, 256: 40_000, 257: 25_000}, "too_many_pixels"),
        ({**PIXELS, 322: 40_000, 323: 25_000, 324: 8, 325: 16}, "too_many_pixels"),
        ({**PIXELS, 256: 0}, "broken"),
        ({tag: value for tag, value in PIXELS.items() if tag != 257}, "broken"),
        ({**PIXELS, 256: (1, 4), 258: 77}, "broken"),
        ({**PIXELS, 259: 34_712}, "broken"),
        ({**PIXELS, 277: 65_535}, "broken"),
        ({**PIXELS, 273: (100_001, 24)}, "too_complex"),
        ({**PIXELS, 273: (90_000, 24)}, "truncated"),
        ({**PIXELS, 273: 2**31}, "truncated"),
        (dict.fromkeys(range(300, 4397), 1), "too_complex"),
    ],
)
def test_what_is_no_picture_is_named(tags: dict[int, int | tuple[int, int]], expected: str) -> None:
    assert why(tiff(tags)) == expected


@pytest.mark.parametrize("content", [b"II*\0", b"II*\0\x08\0\0\0", b"II+\0\x08\0\0\0", b"II*\0\x08\0\0\0\xff\0"])
def test_a_file_without_its_directory_is_cut(content: bytes) -> None:
    assert why(content) == "truncated"


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"big_tiff": True}])
def test_every_cut_is_one(options: dict[str, str]) -> None:
    content = encoded(shapes(), "TIFF", **options)
    assert {why(content[:size]) for size in range(4, len(content), 31)} == {"truncated"}


@given(st.binary(max_size=200))
def test_it_takes_anything(content: bytes) -> None:
    for head in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"II*\0\x08\0\0\0"):
        with contextlib.suppress(Undecodable):
            assert tiff_outline(head + content).width > 0
