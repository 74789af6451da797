"""Detect image formats from the first bytes, never from a file name or an HTTP header."""

import re

EXTENSIONS = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "gif": ".gif",
    "bmp": ".bmp",
    "tiff": ".tiff",
    "avif": ".avif",
    "heic": ".heic",
}
"""Image formats with their file extensions.

The last two are decoded only if a decoder is installed; their names do not
depend on that.
"""

OTHER_FORMATS = {
    "jpeg2000": "JPEG 2000",
    "jxl": "JPEG XL",
    "psd": "Photoshop",
    "ico": "Windows icon",
    "pnm": "PBM, PGM or PPM",
    "dds": "DirectDraw Surface",
    "pcx": "PCX",
    "eps": "PostScript",
    "raw": "camera RAW",
    "dicom": "DICOM",
}
"""Image formats that are recognized but never decoded, with their names."""

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
    (b"PK\x03\x04", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"%PDF-", "pdf"),
    (b"version https://git-lfs.github.com/spec/", "lfs"),
    (b"/annex/objects/", "annex"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),  # codestream without a container
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"8BPS", "psd"),
    (b"\x00\x00\x01\x00", "ico"),
    (b"DDS ", "dds"),
    (b"\n\x05\x01\x08", "pcx"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIRO", "raw"),  # Olympus
    (b"IIRS", "raw"),
    (b"IIU\x00", "raw"),  # Panasonic
    (b"\x00\x00\x00\x18ftypcrx ", "raw"),  # Canon CR3
)
_INNER_SIGNATURES = (
    (4, b"ftyp", "container"),
    (128, b"DICM", "dicom"),
    (257, b"ustar", "archive"),
)
"""Signatures that do not begin a file, with their places."""

_PNM = re.compile(rb"P[1-6]\s+[#\d]")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
"""Valid sizes of a bitmap's second header; the two-letter signature alone is ambiguous."""

_MARKUP = (
    (b"<svg", "svg"),
    (b"<!doctype html", "html"),
    (b"<html", "html"),
    (b"<head", "html"),
    (b"<body", "html"),
)

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_ANY_CODEC = {b"mif1", b"mif2", b"msf1", b"miaf"}
"""Brands of ISO 23008-12 that identify the container, not the codec."""

_MAX_BRANDS = 64
"""Maximum compatible brands to check."""

_HEAD_BYTES = 4096
"""Bytes in which the codec's name is searched if no brand identifies it."""


def sniff(content: bytes) -> str:
    """Return the format of some bytes.

    Returns:
        A key of :data:`EXTENSIONS` or :data:`OTHER_FORMATS`; for other content ``empty``, ``html``,
        ``svg``, ``archive``, ``pdf``, ``lfs``, ``annex`` or ``unknown``.
    """
    if not content:
        return "empty"
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    if content[:2] == b"BM" and int.from_bytes(content[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if _PNM.match(content):
        return "pnm"
    for place, signature, name in _INNER_SIGNATURES:
        if content.startswith(signature, place):
            return _by_brand(content) if name == "container" else name
    return _by_markup(content)


def _by_markup(content: bytes) -> str:
    """Distinguish drawings from pages; a page may contain an SVG, so the first tag decides."""
    start = content[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start.startswith(b"<"):
        return "unknown"
    found = [(start.index(mark), name) for mark, name in _MARKUP if mark in start]
    return min(found, default=(0, "unknown"))[1]


def _by_brand(content: bytes) -> str:
    """Distinguish image formats in ISO base media files (ISO 14496-12) from video and audio."""
    end = min(int.from_bytes(content[:4], "big"), len(content), 16 + 4 * _MAX_BRANDS)
    brands = {content[8:12], *(content[place : place + 4] for place in range(16, end - 3, 4))}
    if brands & _AVIF:
        return "avif"
    if brands & _HEIC:
        return "heic"
    if brands & _ANY_CODEC:
        head = content[:_HEAD_BYTES]
        if b"av01" in head:
            return "avif"
        if b"hvc1" in head:
            return "heic"
    return "unknown"
