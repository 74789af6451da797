"""Format detection from the first bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.images.formats import EXTENSIONS, OTHER_FORMATS, sniff

NO_IMAGE = {"empty", "lfs", "html", "svg", "archive", "pdf", "unknown"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "webp"),
        (b"GIF89a", "gif"),
        (b"BM" + bytes(12) + b"\x28\x00\x00\x00", "bmp"),
        (b"II*\x00\x08\x00", "tiff"),
        (b"MM\x00*\x00\x00", "tiff"),
        (b"II+\x00\x08\x00", "tiff"),
    ],
)
def test_images_are_detected_by_signature(content: bytes, kind: str) -> None:
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
        (b"Rar!\x1a\x07\x01\x00", "archive"),
        (b"%PDF-1.7", "pdf"),
        (b"just a text", "unknown"),
        (b"BMX riders wanted", "unknown"),
        (b"<note>no page</note>", "unknown"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "unknown"),
    ],
)
def test_other_content_is_detected(content: bytes, kind: str) -> None:
    assert sniff(content) == kind


def boxes(*brands: bytes, then: bytes = b"") -> bytes:
    """Return the beginning of an ISO media file; the first brand is its major brand."""
    return (
        (16 + 4 * len(brands[1:])).to_bytes(4, "big")
        + b"ftyp"
        + brands[0]
        + bytes(4)
        + b"".join(brands[1:])
        + then
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (boxes(b"avif"), "avif"),
        (boxes(b"avis", b"msf1", b"miaf"), "avif"),
        (boxes(b"mif1", b"miaf", b"avif"), "avif"),
        (boxes(b"heic", b"mif1"), "heic"),
        (boxes(b"msf1", b"hevc"), "heic"),
        (boxes(b"mif1", then=b"....infe....av01"), "avif"),
        (boxes(b"mif1", b"miaf", then=b"....infe....hvc1"), "heic"),
        (boxes(b"mif1", then=b"....infe....jpeg"), "unknown"),
        (boxes(b"avif")[:12], "avif"),
        # Video and other content in the same container.
        (boxes(b"mp42", b"isom"), "unknown"),
        (boxes(b"qt  "), "unknown"),
        (boxes(b"isom", b"iso2", then=b"avif heic"), "unknown"),
        (b"\0\0\0\x08ftyp", "unknown"),
    ],
)
def test_iso_media_files_are_detected_by_brand(content: bytes, kind: str) -> None:
    assert sniff(content) == kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "jpeg2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\xff\x0a\xfa\x7f", "jxl"),
        (b"8BPS\0\1", "psd"),
        (bytes(128) + b"DICM", "dicom"),
        (b"\0\0\1\0\1\0\x20\x20", "ico"),
        (b"P1\n8 8\n255\n", "pnm"),
        (b"DDS |\0\0\0", "dds"),
        (b"\n\5\1\x08\0\0", "pcx"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "eps"),
        (b"\xc5\xd0\xd3\xc6\x1e", "eps"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"IIRO\x08\0", "raw"),
        (b"IIU\0\x18\0", "raw"),
        (boxes(b"crx ", b"crx ", b"isom"), "raw"),
        (b"P6 is a processor", "unknown"),
        (b"P7 8 8", "unknown"),
    ],
)
def test_other_image_formats_are_detected(content: bytes, kind: str) -> None:
    assert sniff(content) == kind
    assert kind in OTHER_FORMATS or kind == "unknown"


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_any_bytes_have_a_format(content: bytes) -> None:
    assert sniff(content) in {*NO_IMAGE, *EXTENSIONS, *OTHER_FORMATS}
