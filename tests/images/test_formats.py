"""Files are told apart by their first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.images import EXTENSIONS, sniff

NO_PICTURE = {"empty", "html", "svg", "archive", "pdf", "unknown"}


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
    ],
)
def test_a_picture_is_known_by_its_signature(content: bytes, kind: str) -> None:
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
def test_what_is_no_picture_is_named(content: bytes, kind: str) -> None:
    assert sniff(content) == kind


@given(st.binary(max_size=300))
def test_any_bytes_have_one_name(content: bytes) -> None:
    assert sniff(content) in NO_PICTURE | set(EXTENSIONS)
