"""The largest size that an AVIF or HEIC claims anywhere is the one that counts."""

import struct

import numpy as np
import pytest

from pixmill.images import Undecodable, decode
from pixmill.images.outlines.boxes import boxes_outline
from tests.images.samples import HEIC, encoded, shapes


def box(kind: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">I", len(body) + 8) + kind + body


def size(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def file(*sizes: bytes, pixels: bytes = b"") -> bytes:
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4), box(b"iprp", box(b"ipco", *sizes))) + pixels


def test_the_largest_of_all_sizes_counts() -> None:
    found = boxes_outline(file(size(5, 7), size(400, 100), size(90, 90), pixels=box(b"mdat")))
    assert (found.width, found.height, found.cut) == (400, 100, False)


def test_the_size_of_a_film_counts_too() -> None:
    track = box(b"tkhd", bytes(76), struct.pack(">II", 640 << 16, 480 << 16))
    found = boxes_outline(box(b"ftyp", b"avis") + box(b"moov", box(b"trak", track)) + box(b"mdat"))
    assert (found.width, found.height) == (640, 480)


def test_long_and_open_boxes_are_followed() -> None:
    meta = box(b"meta", bytes(4), box(b"iprp", box(b"ipco", size(5, 7))))
    long = struct.pack(">I4sQ", 1, b"meta", len(meta) + 8) + meta[8:]
    found = boxes_outline(box(b"ftyp", b"avif") + long + struct.pack(">I4s", 0, b"mdat") + bytes(9))
    assert (found.width, found.height, found.cut) == (5, 7, False)


def test_heic_has_the_same_boxes() -> None:
    found = boxes_outline(HEIC)
    assert (found.width, found.height, found.cut) == (64, 64, False)


def test_a_file_that_ends_before_its_pixels_is_cut() -> None:
    assert boxes_outline(file(size(5, 7))).cut
    assert boxes_outline(file(size(5, 7), pixels=box(b"mdat", bytes(9))[:-1])).cut
    with pytest.raises(Undecodable, match="truncated"):
        boxes_outline(box(b"ftyp", b"avif"))


def test_a_file_without_a_size_is_broken() -> None:
    with pytest.raises(Undecodable, match="broken"):
        boxes_outline(file(size(0, 7), pixels=box(b"mdat")))


def test_boxes_without_end_are_too_many() -> None:
    with pytest.raises(Undecodable, match="too_complex"):
        boxes_outline(box(b"free") * 10_001)
    nested = box(b"moov")
    for _ in range(5000):
        nested = box(b"moov", nested)
    with pytest.raises(Undecodable, match="broken"):
        boxes_outline(nested + box(b"mdat"))


def test_every_cut_of_a_real_one_is_one() -> None:
    for options in ({}, {"save_all": True, "append_images": [shapes(1)]}):
        content = encoded(shapes(), "AVIF", **options)
        assert np.abs(decode(content).pixels.astype(int) - np.asarray(shapes())).mean() < 20
        for length in range(12, len(content)):
            with pytest.raises(Undecodable, match="truncated"):
                decode(content[:length])
