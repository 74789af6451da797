"""Malicious and damaged files: truncated, bit-flipped, bombs, disguised. Deterministic."""

import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, features

from pixmill.images.png import png_bytes
from tests.images.samples import chunk, encoded, shapes

__all__ = [
    "Hostile",
    "bombs",
    "disguises",
    "flips",
    "hostile_files",
    "ifd",
    "jpeg_of_scans",
    "mazes",
    "scraps",
    "tiff_of",
    "truncations",
    "wholes",
]

WIDE = 40_000
HIGH = 25_000
"""Dimensions of a bomb of 10⁹ pixels."""

PIXELS = "pixels"

BLACK = zlib.compress(bytes(4 * (1 + 4 * 3)))
"""The rows of a PNG of 4 x 4 black pixels."""


@dataclass(frozen=True)
class Hostile:
    """A file with its permitted outcomes.

    Args:
        name: Name of the case.
        content: Bytes of the file.
        outcomes: Permitted reasons, or ``pixels``.
    """

    name: str
    content: bytes
    outcomes: frozenset[str]


def hostile(name: str, content: bytes, *outcomes: str) -> Hostile:
    return Hostile(name, content, frozenset(outcomes))


@cache
def hostile_files() -> list[Hostile]:
    """Return all files, more than 1,000."""
    return [*truncations(), *flips(), *bombs(), *mazes(), *disguises(), *scraps()]


@cache
def wholes() -> dict[str, bytes]:
    """Return small valid files of each format and its main variants."""
    image = shapes(0, 24, 16)
    frames: dict[str, Any] = {
        "save_all": True,
        "append_images": [shapes(seed, 24, 16) for seed in (1, 2)],
    }
    files = {
        "jpeg": encoded(image, "JPEG"),
        "jpeg-progressive": encoded(image, "JPEG", progressive=True),
        "jpeg-grey": encoded(image.convert("L"), "JPEG"),
        "jpeg-cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG"),
        "png-palette": encoded(image.quantize(16), "PNG"),
        "png-alpha": encoded(image.convert("RGBA").rotate(20), "PNG"),
        "png-animated": encoded(image, "PNG", **frames),
        "webp": encoded(image, "WEBP"),
        "webp-lossless": encoded(image, "WEBP", lossless=True),
        "webp-animated": encoded(image, "WEBP", **frames),
        "gif": encoded(image.quantize(16), "GIF"),
        "gif-animated": encoded(image.quantize(16), "GIF", **frames),
        "bmp": encoded(image, "BMP"),
        "bmp-palette": encoded(image.quantize(16), "BMP"),
        "tiff": encoded(image, "TIFF"),
        "tiff-lzw": encoded(image, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encoded(image, "TIFF", compression="jpeg"),
        "tiff-pages": encoded(image, "TIFF", **frames),
        "bigtiff": encoded(image, "TIFF", big_tiff=True),
    }
    if features.check("avif"):
        files["avif"] = encoded(image, "AVIF")
        files["avif-animated"] = encoded(image, "AVIF", **frames)
    return files


def truncations(step: int = 10) -> Iterator[Hostile]:
    """Yield each valid file truncated at every ``step``-th byte."""
    for name, content in wholes().items():
        # Data after the pixels may be missing: an end marker, further frames or pages.
        enough = len(content)
        if name.startswith("png"):
            data = content.index(b"IDAT")
            enough = data + 8 + int.from_bytes(content[data - 4 : data], "big")
        elif name in ("gif", "gif-animated", "tiff-pages"):
            enough = 16
        for size in range(0, len(content), step):
            # The format need not be recognisable from fewer than 16 bytes.
            outcomes = {"truncated", "broken"} | ({"empty", "unknown"} if size < 16 else set())
            if "tiff" in name:  # cut within the tags that say its kind
                outcomes.add("unsupported")
            if size >= enough:
                outcomes.add(PIXELS)
            yield Hostile(f"{name}-cut-{size}", content[:size], frozenset(outcomes))


def flips(each: int = 24) -> Iterator[Hostile]:
    """Yield ``each`` variants of each valid file with one to four flipped bits."""
    outcomes = {
        PIXELS,
        "broken",
        "truncated",
        "unknown",
        "unsupported",
        "too_many_pixels",
        "too_complex",
    }
    for place, (name, content) in enumerate(wholes().items()):
        chance = np.random.default_rng(place)
        for number in range(each):
            harmed = bytearray(content)
            for bit in chance.integers(0, 8 * len(content), 1 + number % 4):
                harmed[bit // 8] ^= 1 << (bit % 8)
            yield Hostile(f"{name}-flipped-{number}", bytes(harmed), frozenset(outcomes))


def bombs() -> Iterator[Hostile]:
    """Yield small files that claim or unpack to very large data."""
    size = struct.pack(">II", WIDE, HIGH)
    large = "too_many_pixels"
    rows = zlib.compress(bytes(4096))
    yield hostile("png-bomb", png_of(WIDE, HIGH, rows), large)
    yield hostile("png-bomb-2³¹", png_of(2**31 - 1, 2**31 - 1, rows), large)
    yield hostile(
        "bmp-bomb",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, WIDE, HIGH, 1, 24, *[0] * 6),
        large,
    )
    yield hostile("gif-bomb-screen", gif_of((65_535, 65_535), (1, 1)), large)
    yield hostile(
        "tiff-bomb",
        tiff_of(ifd({256: WIDE, 257: HIGH, 258: 8, 259: 5, 262: 1, 273: 8, 279: 10})),
        large,
    )
    tile = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 322: WIDE, 323: HIGH, 324: 8, 325: 10}
    yield hostile("tiff-bomb-tile", tiff_of(ifd(tile)), large)
    canvas = b"\x10\0\0\0" + (WIDE - 1).to_bytes(3, "little") + (HIGH - 1).to_bytes(3, "little")
    yield hostile("webp-bomb", riff(b"VP8X" + struct.pack("<I", 10) + canvas), large)
    sides = struct.pack("<I", 16_382 | 16_382 << 14)
    yield hostile(
        "webp-bomb-lossless",
        riff(b"VP8L" + struct.pack("<I", 10) + b"\x2f" + sides + bytes(5)),
        large,
    )
    for tall in (65_500, 1):
        jpeg = bytearray(wholes()["jpeg"])
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", tall, 65_500)
        yield hostile(
            f"jpeg-bomb-{tall}",
            bytes(jpeg),
            large if tall > 1 else "truncated",
            "truncated",
            PIXELS,
        )
    if features.check("avif"):
        avif = bytearray(wholes()["avif"])
        place = avif.index(b"ispe") + 8
        avif[place : place + 8] = size
        yield hostile("avif-bomb", bytes(avif), large, "broken")
    text = zlib.compress(bytes(64 << 20))
    yield hostile("png-bomb-data", png_of(1, 1, text), PIXELS)
    for kind in (b"zTXt", b"iCCP", b"iTXt"):
        head = b"key\0\0" if kind != b"iTXt" else b"key\0\1\0en\0key\0"
        yield hostile(
            f"png-bomb-{kind.decode()}", png_of(4, 4, BLACK, chunk(kind, head + text)), "broken"
        )
    strip = ifd({256: 4, 257: 4, 258: 8, 259: 8, 262: 1, 273: 200, 278: 4, 279: len(text)})
    yield hostile("tiff-bomb-strip", tiff_of(strip.ljust(200 - 24, b"\0"), text), PIXELS)


def mazes() -> Iterator[Hostile]:
    """Yield files with loops or very many small parts."""
    pixels = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 278: 4, 279: 16}
    yield hostile("tiff-own-successor", tiff_of(ifd(pixels, following=24)), PIXELS)
    for tag in (330, 34_665, 34_853, 40_965):
        yield hostile(f"tiff-loop-{tag}", tiff_of(ifd({**pixels, tag: 24})), PIXELS)
    single = len(ifd(pixels))
    chain = b"".join(ifd(pixels, following=24 + single * (number + 1)) for number in range(20_000))
    yield hostile("tiff-chain", tiff_of(chain), PIXELS)
    yield hostile(
        "tiff-many-tags",
        tiff_of(ifd(pixels | dict.fromkeys(range(1000, 66_000 - 1000), 1))),
        "broken",
    )
    strips = ifd({**pixels, 273: (2_000_000, 400), 279: (2_000_000, 400)})
    yield hostile("tiff-many-strips", tiff_of(strips, bytes(8_000_000)), "broken")
    yield hostile("tiff-far-strips", tiff_of(ifd({**pixels, 273: (90_000, 2**31)})), "broken")
    yield hostile("tiff-no-directory", b"II*\0\xff\xff\xff\x7f", "truncated")
    yield hostile(
        "bigtiff-many-tags", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63), "truncated"
    )
    yield hostile("jpeg-scans", jpeg_of_scans(65_500), "too_complex")
    yield hostile(
        "jpeg-scans-hidden", jpeg_of_scans(500, between=b"\xff\xfe\0\4\xff\xd9"), "too_complex"
    )
    jpeg = wholes()["jpeg"]
    yield hostile("jpeg-segments", jpeg[:2] + b"\xff\xfe\0\2" * 500_000 + jpeg[2:], PIXELS)
    first = 4 + int.from_bytes(jpeg[4:6], "big")
    yield hostile("jpeg-fill", jpeg[:first] + b"\xff" * 4_000_000 + jpeg[first:], PIXELS)
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x69\x87\4\0\1\0\0\0\x08\0\0\0" * 5000
    app1 = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    yield hostile("jpeg-exif-loop", jpeg[:2] + app1 + jpeg[2:], PIXELS)
    yield hostile("png-chunks", png_of(4, 4, BLACK, chunk(b"tEXt", b"a\0b") * 150_000), PIXELS)
    yield hostile(
        "gif-frames", wholes()["gif"][:-1] + gif_of((4, 4), (1, 1))[13:-1] * 200_000 + b";", PIXELS
    )
    webp = wholes()["webp-animated"]
    frame = webp[webp.index(b"ANMF") :]
    frame = frame[: 8 + struct.unpack_from("<I", frame, 4)[0]]
    yield hostile("webp-frames", riff(webp[12:] + frame * 10_000), PIXELS)


def disguises() -> Iterator[Hostile]:
    """Yield files of two formats at once or of another format than their signature."""
    files = wholes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("harm.exe", b"MZ" * 500)
    page = b"<html><script>alert(1)</script></html>"
    yield hostile("jpeg+zip", files["jpeg"] + buffer.getvalue(), PIXELS)
    yield hostile("zip+jpeg", buffer.getvalue() + files["jpeg"], "archive")
    yield hostile("html+png", page + files["png"], "html")
    yield hostile(
        "gif+js",
        b"GIF89a/*" + bytes(6) + b"*/=1;alert(1)",
        "truncated",
        "broken",
        "too_many_pixels",
    )
    yield hostile("pdf+jpeg", b"%PDF-1.4\n" + files["jpeg"], "pdf")
    yield hostile(
        "jpeg+pdf", files["jpeg"][:2] + b"\xff\xfe\0\x0a%PDF-1.4" + files["jpeg"][2:], PIXELS
    )
    yield hostile(
        "svg",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "svg",
    )
    yield hostile(
        "png-as-jpeg", b"\xff\xd8\xff" + files["png"], "broken", "truncated", "too_complex"
    )
    yield hostile("jpeg-as-tiff", b"II*\0" + files["jpeg"], "broken", "truncated", "too_complex")
    yield hostile("jpeg-as-webp", b"RIFF\xff\0\0\0WEBPVP8 " + files["jpeg"], "broken", "truncated")
    head = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"
    yield hostile("jpeg-as-avif", head + files["jpeg"], "broken", "truncated", "no_decoder")
    yield hostile("mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), "unknown")
    yield hostile("cut-short", files["png"][:-40] + files["png"][-12:], "broken", "truncated")
    noise = encoded(Image.effect_noise((200, 200), 80), "JPEG")
    yield hostile("jpeg-short", noise[: len(noise) // 2] + b"\xff\xd9", "truncated")


def scraps() -> Iterator[Hostile]:
    """Yield empty and nearly empty files."""
    yield hostile("nothing", b"", "empty")
    heads = [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF87a",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"MM\0+",
    ]
    heads += [
        b"RIFF\0\0\0\0WEBP",
        b"BM" + bytes(12) + b"\x28\0\0\0",
        b"\0\0\0\x18ftypavif",
        b"\0\0\0\x18ftypheic",
    ]
    chance = np.random.default_rng(5)
    ends = (b"", b"\0", b"\xff" * 64, bytes(64), chance.bytes(64), chance.bytes(4096))
    outcomes = (
        "truncated",
        "broken",
        "too_many_pixels",
        "too_complex",
        "no_decoder",
        "unsupported",
    )
    for head, (number, end) in itertools.product(heads, enumerate(ends)):
        yield hostile(f"{head.hex()}-{number}", head + end, *outcomes)
    for size in (1, 2, 3, 10, 1000):
        yield hostile(f"zeros-{size}", bytes(size), "unknown")
        yield hostile(f"text-{size}", (b"no image " * 100)[:size], "unknown")


def png_of(width: int, height: int, data: bytes, before: bytes = b"") -> bytes:
    """Return a PNG of compressed rows with valid checksums."""
    head = png_bytes(np.zeros((1, 1, 3), np.uint8))[:8]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return head + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif_of(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """Return a GIF with the code of one pixel and without a palette."""
    sizes = struct.pack("<HH", *screen), struct.pack("<HH", *frame)
    return b"GIF89a" + sizes[0] + b"\0\0\0,\0\0\0\0" + sizes[1] + b"\0\2\2\x44\1\0;"


def riff(body: bytes) -> bytes:
    """Return a WebP file of some chunks."""
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff_of(directories: bytes, behind: bytes = b"") -> bytes:
    """Return a TIFF with 16 bytes of pixels at byte 8 and the first directory at byte 24."""
    return b"II*\0" + struct.pack("<I", 24) + bytes(range(0, 160, 10)) + directories + behind


def ifd(tags: dict[int, int | tuple[int, int]], *, following: int = 0) -> bytes:
    """Return a directory of integers; a pair is a count and an offset."""
    entries = [
        struct.pack("<HHII", tag, 4, *(value if isinstance(value, tuple) else (1, value)))
        for tag, value in sorted(tags.items())
    ]
    return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


def jpeg_of_scans(count: int, *, between: bytes = b"") -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    content = wholes()["jpeg-progressive"]
    last = content.rindex(b"\xff\xda")
    return content[:last] + (content[last:-2] + between) * count + b"\xff\xd9"
