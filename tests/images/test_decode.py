"""Decoded pixels of each format, and reasons for invalid files."""

import contextlib
import io
import struct
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.decode import decodable, decode, header_size, unused_pages
from pixmill.images.fit import fit, thumbnail
from pixmill.images.verified_reading import UndecodableError
from tests.images.samples import (
    GREEN,
    HEIC,
    RED,
    WHITE,
    chunk,
    encoded,
    halves,
    png_header,
    shapes,
)


def reason(content: bytes, **options: Any) -> str:
    with pytest.raises(UndecodableError) as caught:
        decode(content, **options)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_lossless_formats_give_exact_pixels(kind: str) -> None:
    found = decode(encoded(halves(), kind))
    assert np.array_equal(found.pixels, np.asarray(halves()))
    assert found.format == kind.lower()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_give_similar_pixels(kind: str) -> None:
    found = decode(
        encoded(halves(), kind, quality=95, subsampling=0)
        if kind == "JPEG"
        else encoded(halves(), kind)
    )
    assert found.pixels.shape == (24, 40, 3)
    assert np.abs(found.pixels[:, :10].astype(int) - RED).max() < 12


def test_cmyk_is_converted_and_not_inverted() -> None:
    found = decode(encoded(halves().convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert found.mode == "CMYK"
    assert np.abs(found.pixels[:, :10].astype(int) - RED).max() < 12


def test_nan_pixels_are_refused() -> None:
    assert (
        reason(encoded(Image.fromarray(np.full((3, 3), np.nan, np.float32)), "TIFF"))
        == "unsupported"
    )


def test_pages_after_the_first_are_counted() -> None:
    assert (
        unused_pages(encoded(halves(), "TIFF", save_all=True, append_images=[halves()] * 19)) == 19
    )
    assert [unused_pages(encoded(halves(), kind)) for kind in ("TIFF", "PNG")] == [0, 0]


@pytest.mark.parametrize(
    ("colour", "depth", "row", "clear", "expected"),
    [
        (0, 1, b"\x50", (1,), [0, 255, 0, 255]),
        (0, 16, b"\0\0\1\0\1\1\3\0", (257,), [0, 64, 255, 192]),
        (2, 8, bytes(range(12)), (3, 4, 5), [0, 255, 6, 9]),
    ],
)
def test_transparent_colour_becomes_white(
    colour: int, depth: int, row: bytes, clear: tuple[int, ...], expected: list[int]
) -> None:
    content = png_header(4, 1, b"\0" + row, depth=depth, colour=colour)
    transparent = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
    assert decode(content[:33] + transparent + content[33:]).pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind: str, turned: int) -> None:
    # By EXIF orientation: the displayed corner (row, column) of the stored image's top left corner.
    corners = {
        1: (0, 0),
        2: (0, -1),
        3: (-1, -1),
        4: (-1, 0),
        5: (0, 0),
        6: (0, -1),
        7: (-1, -1),
        8: (-1, 0),
    }
    stored = Image.new("RGB", (64, 32), WHITE)
    stored.paste(RED, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = turned
    found = decode(encoded(stored, kind, exif=exif)).pixels
    assert found.shape == ((64, 32, 3) if turned > 4 else (32, 64, 3))
    red = np.abs(found.astype(int) - RED).max(axis=2) < 40
    row, column = corners[turned]
    assert red[row, column]
    assert not red[row, -1 - column]
    assert not red[-1 - row, column]


def test_metadata_is_removed() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        content = encoded(shapes(), kind, exif=exif)
        assert b"a secret" in content
        found = decode(content)
        assert (found.image.info, dict(found.image.getexif())) == ({}, {})
        assert vars(found).keys() == {"image", "format", "mode", "values", "window"}
        small = thumbnail(found.pixels)
        assert b"Exif" not in small
        assert b"secret" not in small + fit(found.pixels, 16).tobytes() + found.image.tobytes()


@pytest.mark.parametrize(
    "body", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"]
)
def test_broken_exif_is_ignored(body: bytes) -> None:
    jpeg = encoded(halves(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    assert decode(jpeg[:2] + segment + jpeg[2:]).pixels.shape == (24, 40, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_an_animation_is_decoded(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, WHITE)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    assert np.abs(decode(content).pixels.astype(int) - RED).max() < 8


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
def test_pixels_have_three_channels_and_are_read_only(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = (
        shapes().quantize(16)
        if mode == "P"
        else shapes().convert("L" if mode == "I;16" else mode).convert(mode)
    )
    found = decode(encoded(image, "TIFF"))
    assert (found.pixels.shape, found.pixels.dtype) == ((32, 48, 3), np.uint8)
    monkeypatch.setattr(sys.modules["pixmill.images.decode"], "_LARGE_PIXELS", 0)
    large = decode(encoded(image, "TIFF")).pixels
    assert (large == found.pixels).all()
    for pixels in (found.pixels, large):
        with pytest.raises(ValueError, match="read-only"):
            pixels[0, 0] = 0


def test_png_of_palette_indices_without_a_palette_is_refused() -> None:
    assert reason(png_header(2, 1, bytes(3), colour=3)) == "unsupported"


def test_inconsistent_header_is_broken() -> None:
    content = bytearray(encoded(halves(), "PNG"))
    content[20] ^= 0xFF  # the width, which its checksum no longer fits
    assert reason(bytes(content)) == "broken"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_images_are_refused(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    content = encoded(noise, kind)
    # The AVIF decoder does not distinguish truncated files.
    assert reason(content[: int(len(content) * share)]) == (
        "broken" if kind == "AVIF" else "truncated"
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_truncated_jpeg_with_end_marker_is_refused(mode: str, share: float) -> None:
    content = encoded(Image.effect_noise((120, 120), 90).convert(mode), "JPEG")
    assert reason(content[: int(len(content) * share)] + b"\xff\xd9") == "truncated"


def test_grey_end_of_a_jpeg_is_accepted() -> None:
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    grey.paste(shapes(), (0, 0))
    for options in ({}, {"progressive": True}):
        assert (decode(encoded(grey, "JPEG", **options)).pixels[-1] == 128).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_pixel_limit_is_exact(kind: str) -> None:
    content = encoded(shapes(), kind)
    assert decode(content, max_pixels=48 * 32).pixels.shape == (32, 48, 3)
    assert reason(content, max_pixels=48 * 32 - 1) == "too_many_pixels"


SEEDS = {
    kind: encoded(halves(), kind)
    for kind in (
        "JPEG",
        "PNG",
        "GIF",
        "BMP",
        "WEBP",
    )  # libtiff reports broken files on the terminal.
}


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    st.integers(0, 10_000),
)
def test_damaged_files_never_crash(kind: str, damage: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(SEEDS[kind])
    for place, value in damage:
        content[place % len(content)] = value
    del content[cut % len(content) + 1 :]
    with contextlib.suppress(UndecodableError):
        pixels = decode(bytes(content), max_pixels=1_000_000).pixels
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_size_is_read_from_the_header(kind: str) -> None:
    assert header_size(encoded(halves(40, 24), kind)) == (40, 24)


def test_size_needs_no_pixels() -> None:
    assert header_size(png_header(200_000, 110_000)) == (200_000, 110_000)
    whole = encoded(halves(400, 240), "JPEG")
    assert header_size(whole[: len(whole) // 2]) == (400, 240)


def test_heic_is_decoded_if_a_decoder_is_installed() -> None:
    if decodable("heic"):
        found = decode(HEIC)
        assert (found.format, found.pixels.shape) == ("heic", (16, 16, 3))
    else:
        with pytest.raises(UndecodableError) as caught:
            decode(HEIC)
        assert (caught.value.reason, caught.value.detail) == ("no_decoder", "heic")


def test_broken_files_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    harmed = bytearray(encoded(shapes(), "TIFF", compression="tiff_lzw"))
    harmed[20:300:7] = b"\xa5" * 40
    with pytest.raises(OSError, match="decoder error"), Image.open(io.BytesIO(harmed)) as image:
        image.load()
    assert "tempfile.tif" in capfd.readouterr().err
    with warnings.catch_warnings(), pytest.raises(UndecodableError, match="broken"):
        warnings.simplefilter("error")
        decode(bytes(harmed))
    sys.stderr.write("heard\n")
    assert capfd.readouterr().err == "heard\n"


@pytest.mark.linux
def test_lack_of_memory_raises_memory_error() -> None:
    script = """
import io, resource
from PIL import Image
from pixmill.images.decode import decode
image, files = Image.new("RGB", (3500, 3500), "teal"), []
kinds = [("PNG", {"compress_level": 1}), ("JPEG", {"progressive": True}), ("TIFF", {})]
kinds.append(("WEBP", {"method": 0}))
for options in kinds:
    buffer = io.BytesIO()
    image.save(buffer, options[0], **options[1])
    files.append(buffer.getvalue())
    decode(files[-1])
lines = open("/proc/self/status")
held = int(next(line.split()[1] for line in lines if line.startswith("VmData"))) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + (10 << 20), resource.RLIM_INFINITY))
for content in files:
    try:
        decode(content)
    except MemoryError:
        print("too little")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("too little\n" * 4, "")
