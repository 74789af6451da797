"""Pillow is given what it may see, says nothing, and answers with pixels or one word."""

import io
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

from pixmill.images import EXTENSIONS, Undecodable, decode
from pixmill.images.decoder import decodable, loaded
from pixmill.images.outlines import OUTLINES, Outline
from tests.images.samples import HEIC, encoded, halves, shapes


def refusal(kind: str, content: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        loaded(kind, Outline(48, 32, content), max_pixels=10_000)
    return caught.value.reason


def test_each_format_of_an_outline_has_a_decoder_or_is_refused() -> None:
    assert set(OUTLINES) == set(EXTENSIONS)
    assert all(map(decodable, set(EXTENSIONS) - {"avif", "heic"}))


def test_heic_is_decoded_where_a_decoder_is_installed() -> None:
    if decodable("heic"):
        found = decode(HEIC)
        assert (found.format, found.pixels.shape) == ("heic", (16, 16, 3))
    else:
        with pytest.raises(Undecodable) as caught:
            decode(HEIC)
        assert (caught.value.reason, caught.value.detail) == ("no_decoder", "heic")


def test_only_the_decoder_of_its_format_sees_a_file() -> None:
    assert refusal("jpeg", encoded(halves(), "PNG")) == "broken"
    assert refusal("gif", encoded(halves(), "BMP")) == "broken"


def test_what_the_headers_hid_is_not_decoded_either() -> None:
    assert refusal("png", encoded(halves(101, 100), "PNG")) == "too_many_pixels"


def test_a_caller_may_want_more_pixels_than_pillow_would_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(halves(), "GIF"), max_pixels=960).pixels.shape == (24, 40, 3)
    monkeypatch.undo()
    assert Image.MAX_IMAGE_PIXELS is not None


def test_broken_files_say_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    harmed = bytearray(encoded(shapes(), "TIFF", compression="tiff_lzw"))
    harmed[20:300:7] = b"\xa5" * 40
    with pytest.raises(OSError, match="decoder error"), Image.open(io.BytesIO(harmed)) as picture:
        picture.load()
    assert "tempfile.tif" in capfd.readouterr().err
    with warnings.catch_warnings(), pytest.raises(Undecodable, match="broken"):
        warnings.simplefilter("error")
        decode(bytes(harmed))
    sys.stderr.write("heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_there_need_be_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "picture.tiff").write_bytes(encoded(halves(), "TIFF", compression="tiff_lzw"))
    script = "import sys; from pixmill.images import decode; print(decode(open(sys.argv[1], 'rb').read()).mode)"
    line = f"{shlex.join([sys.executable, '-c', script, str(tmp_path / 'picture.tiff')])} 2>&-"
    done = subprocess.run(line, shell=True, stdout=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "RGB\n")


@pytest.mark.linux
def test_a_lack_of_memory_is_no_fault_of_the_file() -> None:
    script = """
import io, resource
from PIL import Image
from pixmill.images import decode
picture, files = Image.new("RGB", (3500, 3500), "teal"), []
kinds = ("PNG", {"compress_level": 1}), ("JPEG", {"progressive": True}), ("WEBP", {"method": 0}), ("TIFF", {})
for options in kinds:
    buffer = io.BytesIO()
    picture.save(buffer, options[0], **options[1])
    files.append(buffer.getvalue())
    decode(files[-1])
held = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmData"))) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + (10 << 20), resource.RLIM_INFINITY))
for content in files:
    try:
        decode(content)
    except MemoryError:
        print("too little")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("too little\n" * 4, "")
