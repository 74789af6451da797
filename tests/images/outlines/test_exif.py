"""Of EXIF only the orientation is read, and only a sound one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.outlines.exif import orientation


def exif(order: str, *entries: tuple[int, int, int, bytes]) -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(struct.pack(order + "HHI4s", *entry) for entry in entries) + bytes(4)


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
def test_it_is_what_pillow_writes(turned: int, head: bytes) -> None:
    written = Image.Exif()
    written[0x010E], written[0x0112], written[0x8298] = "a text", turned, "a name"
    assert orientation(head + written.tobytes().removeprefix(b"Exif\0\0")) == turned


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "shape"), [(3, "H"), (4, "I"), (8, "h"), (9, "i")])
def test_any_whole_number_will_do(order: str, kind: int, shape: str) -> None:
    assert orientation(exif(order, (0x0112, kind, 1, struct.pack(order + shape, 6)))) == 6


@pytest.mark.parametrize(
    "entry",
    [
        (0x0112, 3, 1, b"\0\0\0\0"),
        (0x0112, 3, 1, b"\x09\0\0\0"),
        (0x0112, 9, 1, b"\xff\xff\xff\xff"),
        (0x0112, 3, 2, b"\6\0\6\0"),
        (0x0112, 2, 1, b"6\0\0\0"),
        (0x0113, 3, 1, b"\6\0\0\0"),
    ],
)
def test_what_makes_no_sense_turns_nothing(entry: tuple[int, int, int, bytes]) -> None:
    assert orientation(exif("<", entry)) == 1


def test_a_directory_that_claims_too_much_is_read_as_far_as_it_goes() -> None:
    sound = exif("<", (0x0112, 3, 1, b"\3\0\0\0"))
    assert orientation(sound[:8] + b"\xff\xff" + sound[10:]) == 3
    assert orientation(sound[:8] + b"\xff\xff") == 1
    assert orientation(b"II*\0\xff\xff\xff\xff") == 1


@given(st.binary(max_size=60))
def test_it_takes_anything(content: bytes) -> None:
    for head in (b"", b"Exif\0\0II*\0", b"MM\0*\0\0\0\x08"):
        assert 1 <= orientation(head + content) <= 8
