"""Files are told apart by their first bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.images import EXTENSIONS, sniff

NO_IMAGE = {"empty", "html", "svg", "archive", "pdf", "unknown"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "webp"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"BM" + bytes(12) + b"\x28\x00\x00\x00", "bmp"),
        (b"II*\x00\x08\x00", "tiff"),
        (b"MM\x00*\x00\x00", "tiff"),
        (b"II+\x00\x08\x00", "tiff"),
        (b"MM\x00+\x00\x08", "tiff"),
    ],
)
def test_an_image_is_known_by_its_signature(content: bytes, kind: str) -> None:
    assert sniff(content) == kind
    assert kind in EXTENSIONS


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "html"),
        (b"\xef\xbb\xbf\n  <html lang=en>", "html"),
        (b"<!-- moved --><html>", "html"),
        (b"<html><body><svg></svg></body></html>", "html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "svg"),
        (b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg>", "svg"),
        (b"PK\x03\x04\x14\x00", "archive"),
        (b"\x1f\x8b\x08\x00", "archive"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "archive"),
        (b"Rar!\x1a\x07\x01\x00", "archive"),
        (b"%PDF-1.7", "pdf"),
        (b"just a text", "unknown"),
        (b"BMX riders wanted", "unknown"),
        (b"<note>no page</note>", "unknown"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "unknown"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, kind: str) -> None:
    assert sniff(content) == kind


def boxes(*brands: bytes, then: bytes = b"") -> bytes:
    """Return the beginning of a file whose chief brand is the first."""
    return (16 + 4 * len(brands[1:])).to_bytes(4, "big") + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:]) + then


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (boxes(b"avif"), "avif"),
        (boxes(b"avis", b"msf1", b"miaf"), "avif"),
        (boxes(b"mif1", b"miaf", b"avif"), "avif"),
        *((boxes(brand, b"mif1"), "heic") for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")),
        (boxes(b"msf1", b"hevc"), "heic"),
        (boxes(b"mif1", then=b"....infe....av01"), "avif"),
        (boxes(b"mif1", b"miaf", then=b"....infe....hvc1"), "heic"),
        (boxes(b"mif1", then=b"....infe....jpeg"), "unknown"),
        (boxes(b"avif")[:12], "avif"),
        # Films and other things in the same boxes.
        (boxes(b"mp42", b"isom"), "unknown"),
        (boxes(b"qt  "), "unknown"),
        (boxes(b"isom", b"iso2", then=b"avif heic"), "unknown"),
        (b"\0\0\0\x08ftyp", "unknown"),
    ],
)
def test_boxes_are_told_apart_by_their_brands(content: bytes, kind: str) -> None:
    assert sniff(content) == kind


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_any_bytes_have_one_name(content: bytes) -> None:
    assert sniff(content) in NO_IMAGE | set(EXTENSIONS)
