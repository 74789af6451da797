"""Of a JPEG its decoder sees frames, tables and scans, and not too many of them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.jpeg import jpeg_outline, lengthened
from tests.images.samples import ARITHMETIC_JPEG, encoded, shapes

PLAIN = encoded(shapes(), "JPEG")
PROGRESSIVE = encoded(shapes(), "JPEG", progressive=True)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(*segments: bytes, content: bytes = PLAIN) -> bytes:
    return content[:2] + b"".join(segments) + content[2:]


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


def why(content: bytes) -> str | None:
    try:
        return jpeg_outline(content).fault
    except Undecodable as error:
        return error.reason


@pytest.mark.parametrize("content", [PLAIN, PROGRESSIVE, ARITHMETIC_JPEG])
def test_a_plain_file_is_needed_as_it_is(content: bytes) -> None:
    found = jpeg_outline(content)
    assert found.needed is content
    assert (found.width, found.height) in ((48, 32), (16, 16))
    assert (found.fault, found.orientation) == (None, 1)


def test_what_no_pixel_depends_on_is_left_out() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 8, "a secret"
    texts = [segment(0xFE, b"a secret"), segment(0xED, b"Photoshop 3.0\0a secret"), segment(0xE2, b"MPF\0a secret")]
    more = [
        segment(0xE1, exif.tobytes()),
        segment(0xE2, b"ICC_PROFILE\0\1\1a secret"),
        segment(0xE0, b"JFXX\0a secret"),
    ]
    found = jpeg_outline(with_segments(*texts, *more))
    assert found.needed == PLAIN
    assert found.orientation == 8


def test_what_tells_the_colours_stays() -> None:
    cmyk = encoded(shapes().convert("CMYK"), "JPEG")
    assert b"Adobe" in cmyk
    assert jpeg_outline(cmyk).needed == cmyk


@pytest.mark.parametrize("junk", [b"\0" * 999, b"\xff" * 999, b"\xff\0" * 99, b"text \xff\0 \xff\xd0", b"\xff\1"])
def test_junk_between_segments_is_passed_over(junk: bytes) -> None:
    place = 4 + int.from_bytes(PLAIN[4:6], "big")
    found = jpeg_outline(PLAIN[:place] + junk + PLAIN[place:])
    assert np.array_equal(pixels(found.needed), pixels(PLAIN))


@pytest.mark.parametrize("content", [PLAIN, PROGRESSIVE, ARITHMETIC_JPEG])
def test_every_cut_is_one(content: bytes) -> None:
    for size in range(3, len(content) - 2):
        with pytest.raises(Undecodable, match="truncated"):
            decode(content[:size])


def test_a_plain_picture_may_want_for_its_end_mark() -> None:
    # Any other end of the last scan will do.
    found = jpeg_outline(PLAIN[:-2] + b"\xff\xfe\0\2")
    assert found.cut
    assert np.array_equal(decode(PLAIN[:-2] + b"\xff\xfe\0\2").pixels, pixels(PLAIN))


def test_a_cut_file_has_a_size_once_its_frame_is_there() -> None:
    frame = PLAIN.index(b"\xff\xc0")
    assert jpeg_outline(PLAIN[: frame + 30]).width == 48
    with pytest.raises(Undecodable, match="truncated"):
        jpeg_outline(PLAIN[: frame + 5])


def test_many_scans_are_too_many() -> None:
    last = PROGRESSIVE.rindex(b"\xff\xda")
    scans = PROGRESSIVE.count(b"\xff\xda")
    for times, expected in ((1, None), (101 - scans, None), (102 - scans, "too_complex"), (65_500, "too_complex")):
        content = PROGRESSIVE[:last] + PROGRESSIVE[last:-2] * times + b"\xff\xd9"
        assert why(content) == expected, times


def test_an_end_mark_in_a_comment_hides_no_scans() -> None:
    last = PROGRESSIVE.rindex(b"\xff\xda")
    scan = PROGRESSIVE[last:-2] + segment(0xFE, b"\xff\xd9")
    assert why(PROGRESSIVE[:last] + scan * 200 + b"\xff\xd9") == "too_complex"


def test_scans_of_another_picture_behind_the_end_do_not_count() -> None:
    assert why(PROGRESSIVE + PROGRESSIVE * 50) is None


def test_a_plain_picture_has_one_scan_for_each_component_at_most_100() -> None:
    start = PLAIN.index(b"\xff\xda")
    single = b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    assert why(PLAIN[:start] + single * 100 + b"\xff\xd9") is None
    assert why(PLAIN[:start] + single * 101 + b"\xff\xd9") == "too_complex"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (with_segments(*[segment(0xFE, b"")] * 10_001), "too_complex"),
        (PLAIN[:2] + b"\xff\xfe\0\1" + PLAIN[2:], "broken"),
        (PLAIN[:2] + PLAIN, "broken"),
        (b"\xff\xd8\xff\xd9\0\0", "broken"),
        (b"\xff\xd8" + segment(0xDA, b"\1\1\0\0\x3f\0") + b"\xff\xd9", "broken"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\0\0\0\x10\3"), "broken"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\0\1"), "broken"),
        (b"\xff\xd8\xff", "truncated"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, expected: str) -> None:
    assert why(content) == expected


def test_more_data_change_only_a_picture_that_ended_early() -> None:
    longer = lengthened(PLAIN)
    assert longer is not None
    assert np.array_equal(pixels(longer), pixels(PLAIN))
    noise = encoded(Image.effect_noise((100, 100), 80), "JPEG")
    short = noise[: len(noise) // 2] + b"\xff\xd9"
    longer = lengthened(short)
    assert longer is not None
    assert not np.array_equal(pixels(longer), pixels(short))


def test_a_picture_of_many_scans_is_not_lengthened() -> None:
    assert lengthened(PROGRESSIVE) is None
    assert lengthened(PLAIN[:-2]) is None
