"""The input of the network in the page of a model: the bytes that Python computes."""

import base64
import itertools
import struct
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pixmill.images.fit import ASPECTS, RESIZES
from pixmill.images.verified_reading import UndecodableError
from pixmill.models.classifier import Preprocessing
from tests.browsing import open_chrome
from tests.images.samples import HEIC, chunk, encoded, png_header, shapes

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

Case = tuple[bytes, Preprocessing]

_READ = """
const [cases, done] = arguments;
const read = async () => {
  const { decode } = await load(embedded.modules, 'pixels');
  const { fit } = await load(embedded.modules, 'fit');
  const one = async ([content, preprocessing]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    return [...fit(await decode(bytes, preprocessing), preprocessing)].filter((_, at) => at % 4 < 3);
  };
  return Promise.all(cases.map((each) => one(each).catch(({ message }) => message)));
};
read().then(done);
"""

_PLAIN = Preprocessing(24, "pad", "bicubic", window=(1_000, 50_000))

_NOISE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def page(model_page: Path) -> Iterator["WebDriver"]:
    with open_chrome() as driver:
        driver.get(model_page.as_uri())
        yield driver


def differing(page: "WebDriver", cases: dict[str, Case]) -> dict[str, Any]:
    """Return what the page gives by name, a reason or a number of bytes, unless Python's equals."""
    sent = [
        (base64.b64encode(content).decode(), asdict(preprocessing))
        for content, preprocessing in cases.values()
    ]
    found = dict(zip(cases, page.execute_async_script(_READ, sent), strict=True))
    return {
        name: found[name] if isinstance(found[name], str) else "other pixels"
        for name, case in cases.items()
        if found[name] != expected(*case)
    }


def expected(content: bytes, preprocessing: Preprocessing) -> list[int] | str:
    try:
        return preprocessing(content).ravel().tolist()
    except UndecodableError as error:
        return error.reason


def noise(width: int, height: int, *channels: int) -> Image.Image:
    return Image.fromarray(_NOISE.integers(0, 256, (height, width, *channels), dtype=np.uint8))


def png(colour: int, depth: int, *, interlaced: int = 0, chunks: bytes = b"") -> bytes:
    """Return a PNG of 13 x 11 pixels of noise, whose lines have all filters."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
        passes += [(1, 0, 2, 2), (0, 1, 1, 2)]
    lines = [
        bytes([line % 5]) + _NOISE.bytes((len(range(x, 13, right)) * bits + 7) // 8)
        for x, y, right, down in passes
        for line in range(len(range(y, 11, down)))
    ]
    found = png_header(13, 11, b"".join(lines), depth=depth, colour=colour, interlaced=interlaced)
    return found[:33] + chunks + found[33:]


def exif(turned: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = turned
    return found


def test_every_filter_resizes_to_the_same_bytes(page: "WebDriver") -> None:
    sizes = [(24, 24), (7, 7), (10, 24), (100, 60), (61, 131), (1, 40), (300, 24), (23, 25), (2, 3)]
    images = [encoded(noise(*size, 3), "PNG") for size in sizes]
    ways = itertools.product(images, ASPECTS, RESIZES)
    cases = {
        f"{sizes[images.index(image)]} {aspect} {resize}": (
            image,
            Preprocessing(24, aspect, resize),
        )
        for image, aspect, resize in ways
    }
    assert differing(page, cases) == {}


def test_every_kind_of_png_gives_the_same_bytes(page: "WebDriver") -> None:
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    cases = {}
    for colour, interlaced in itertools.product(depths, (0, 1)):
        for depth in depths[colour]:
            palette = chunk(
                b"PLTE", _NOISE.bytes(3 * max(1, (1 << depth) - 1 if depth < 16 else 1))
            )
            clear = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\x80\xff\0"[: 1 << depth]}.get(colour)
            for chunks in (b"", clear and chunk(b"tRNS", clear)):
                if chunks is not None:
                    chunks = palette * (colour == 3) + chunks
                    content = png(colour, depth, interlaced=interlaced, chunks=chunks)
                    cases[f"{colour} {depth} {interlaced} {chunks!r}"] = (content, _PLAIN)
    for grey in (255, 250, 239, 0):
        drawn = Image.new("RGBA", (12, 10))
        drawn.paste((grey, grey, grey, 255), (3, 3, 9, 8))
        cases[f"{grey} on transparent"] = (encoded(drawn, "PNG"), _PLAIN)
    assert differing(page, cases) == {}


def test_jpeg_and_other_formats_give_the_same_bytes(page: "WebDriver") -> None:
    photo = shapes(0, 61, 37)
    options: list[dict[str, Any]] = [
        {"quality": quality, "subsampling": subsampling, "progressive": progressive}
        for quality in (30, 95)
        for subsampling in ("4:4:4", "4:2:2", "4:2:0")
        for progressive in (False, True)
    ]
    options += [{"restart_marker_blocks": 3}, {"keep_rgb": True}]
    cases = {str(each): encoded(photo, "JPEG", **each) for each in options}
    for mode in ("L", "CMYK"):
        cases[mode] = encoded(photo.convert(mode), "JPEG")
    grey_end = Image.new("RGB", (64, 64), (128, 128, 128))
    cases["grey end"] = encoded(grey_end, "JPEG")
    for kind, turned in itertools.product(("JPEG", "PNG", "WEBP"), range(1, 9)):
        cases[f"{kind} {turned}"] = encoded(photo, kind, exif=exif(turned))
    for kind in ("WEBP", "GIF", "BMP"):
        cases[kind] = encoded(photo, kind)
    assert differing(page, {name: (content, _PLAIN) for name, content in cases.items()}) == {}


def test_files_that_are_no_intact_images_get_the_same_reasons(page: "WebDriver") -> None:
    photo = shapes(0, 120, 90)
    jpeg = encoded(photo, "JPEG")
    progressive = encoded(photo, "JPEG", progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    huge = struct.pack(">HH", 20_000, 20_000)
    size = jpeg.index(b"\xff\xc0") + 5
    good = png(2, 8)
    gif = encoded(photo, "GIF")
    lines = bytes(11 * 40)
    contents = {
        "text": b"notes, not an image",
        "empty": b"",
        "html": b"<!doctype html><svg></svg>",
        "svg": b"<?xml version='1.0'?><svg></svg>",
        "pdf": b"%PDF-1.7",
        "cut jpeg": jpeg[:-600],
        "cut progressive jpeg": progressive[:-600],
        "cut jpeg with an end": jpeg[:-600] + b"\xff\xd9",
        "huge jpeg": jpeg[:size] + huge + jpeg[size + 4 :],
        "jpeg of many scans": progressive[:-2] + last_scan * 100 + b"\xff\xd9",
        "huge png": png_header(20_000, 20_000, b"x"),
        "huge gif": gif[:6] + struct.pack("<HH", 20_000, 20_000) + gif[10:],
        "huge webp": encoded(Image.new("L", (16_000, 4_000)), "WEBP", lossless=True, method=0),
        "cut png": good[:-30],
        "flipped png": good[:60] + bytes([good[60] ^ 1]) + good[61:],
        "endless chunk": good[:33] + struct.pack(">I", 0xFFFFFFFF) + good[37:],
        "empty chunk": good[:33] + chunk(b"aBcD", b"") + good[33:],
        "few lines": png_header(13, 11, lines[:-1]),
        "many lines": png_header(13, 11, lines + bytes(10_000_000)),
        "unknown filter": png_header(13, 11, b"\5" + lines[1:]),
        "no pixels": png_header(0, 11),
        "palette index": png(3, 8, chunks=chunk(b"PLTE", b"abc")),
        "long palette": png(3, 8, chunks=chunk(b"PLTE", b"abc" * 257)),
    }
    for depth, colour in ((3, 2), (16, 3), (1, 4), (8, 1), (0, 0), (255, 255)):
        contents[f"depth {depth} of {colour}"] = png_header(
            13, 11, lines, depth=depth, colour=colour
        )
    assert differing(page, {name: (content, _PLAIN) for name, content in contents.items()}) == {}


def test_what_only_python_reads_has_its_own_reasons(page: "WebDriver") -> None:
    cases = {
        "heic": (HEIC, _PLAIN),
        "tiff": (encoded(shapes(), "TIFF"), _PLAIN),
        "deep": (png(0, 16), Preprocessing(24, "pad", "bicubic")),
    }
    assert differing(page, cases) == {name: name for name in cases}
