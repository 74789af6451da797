"""Previews are re-encoded; unreadable images have a reason code."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from pixmill.review.preview import ImageFile, preview_batch
from tests.review.conftest import jpeg


@pytest.fixture
def sources(project):
    """A function that adds an image with some bytes, and returns its location."""

    def put(content):
        name = project.add(content=content)
        return ImageFile(
            name, project.root / "artifacts/scrape" / project.rows[name]["path"], 10**6
        )

    return put


def test_previews_are_small_and_without_metadata(sources):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "the secret place"
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(values).resize((2000, 1500)).save(
        buffer, "JPEG", exif=exif, comment=b"<script>alert(1)</script>"
    )
    (shown,) = preview_batch(
        [ImageFile(**{**vars(sources(buffer.getvalue())), "max_pixels": 10**7})]
    )
    with Image.open(io.BytesIO(shown)) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 768))
        assert not image.getexif()
    assert b"secret" in buffer.getvalue()
    assert b"secret" not in shown
    assert b"<script>" not in shown


def test_reason_codes_of_unreadable_images(sources):
    good = sources(jpeg(1))
    gone = sources(jpeg(2))
    other = sources(jpeg(3))
    gone.source.unlink()
    other.source.write_bytes(jpeg(4))
    cut = sources(jpeg(5)[:300])
    page = sources(b"<html><body>not found")
    large = sources(jpeg(6, 1200))
    folder = sources(jpeg(7))
    pipe = sources(jpeg(8))
    folder.source.unlink()
    folder.source.mkdir()
    pipe.source.unlink()
    os.mkfifo(pipe.source)
    found = preview_batch([good, gone, other, cut, page, large, folder, pipe])
    assert isinstance(found[0], bytes)
    assert found[1:3] == ["missing_file", "changed_bytes"]
    assert found[3] in ("truncated", "broken")
    assert found[4:] == ["html", "too_many_pixels", "not_a_file", "not_a_file"]
