"""Tell what some bytes are by their first bytes, never by a name or a header."""

from __future__ import annotations

__all__ = ["EXTENSIONS", "sniff"]

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
"""The formats that are images, each with the extension its files get. The last two are decoded where a decoder is
installed; what they are called does not depend on that."""

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
    (b"%PDF-", "pdf"),
)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
"""The sizes that a bitmap's second header may have: two letters alone begin many a text."""

_MARKUP = ((b"<svg", "svg"), (b"<!doctype html", "html"), (b"<html", "html"), (b"<head", "html"), (b"<body", "html"))

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_ANY_CODEC = {b"mif1", b"mif2", b"msf1", b"miaf"}
"""Brands of ISO 23008-12 that tell the container and not the codec."""

_BRANDS = 64
"""The most compatible brands that are looked at."""

_HEAD = 4096
"""How far into a file of no telling brand its codec's name is looked for."""


def sniff(content: bytes) -> str:
    """Return the format of some bytes.

    Returns:
        A key of :data:`EXTENSIONS`, or what stands in an image's place: ``empty``, ``html``, ``svg``, ``archive``,
        ``pdf`` or ``unknown``.
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
    if content[4:8] == b"ftyp":
        return _by_brand(content)
    start = content[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<"):
        found = [(start.index(mark), name) for mark, name in _MARKUP if mark in start]
        if found:
            # A web page may hold a drawing: what comes first is what it is.
            return min(found)[1]
    return "unknown"


def _by_brand(content: bytes) -> str:
    """Tell images of ISO base media files from each other, and from films and sounds (ISO 14496-12, section 4.3)."""
    end = min(int.from_bytes(content[:4], "big"), len(content), 16 + 4 * _BRANDS)
    brands = {content[8:12], *(content[place : place + 4] for place in range(16, end - 3, 4))}
    if brands & _AVIF:
        return "avif"
    if brands & _HEIC:
        return "heic"
    if brands & _ANY_CODEC:
        head = content[:_HEAD]
        if b"av01" in head:
            return "avif"
        if b"hvc1" in head:
            return "heic"
    return "unknown"
