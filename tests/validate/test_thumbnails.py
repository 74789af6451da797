"""Thumbnails fill a bounded part of the page, what matters most first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.validate import thumbnails as module
from pixmill.validate.measures import Picture
from pixmill.validate.thumbnails import thumbnails


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    generator = np.random.default_rng(0)
    made = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (80, 80, 3), dtype=np.uint8)).save(path)
        made.append(Picture(str(number), path, 10_000))
    return made


def test_each_picture_has_one(pictures: list[Picture]) -> None:
    found = thumbnails([*pictures, pictures[0]], workers=0)
    assert list(found) == ["0", "1", "2", "3", "4"]
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in found.values())


def test_where_the_page_is_full_the_last_have_none(pictures: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(uri) for uri in thumbnails(pictures, workers=0).values()]
    monkeypatch.setattr(module, "_BYTES", sum(sizes[:3]) + 10)
    assert list(thumbnails(pictures, workers=0)) == ["0", "1", "2"]


def test_what_cannot_be_shown_has_none(pictures: list[Picture], tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_bytes(b"a text")
    lost = [Picture("text", text, 10_000), Picture("gone", tmp_path / "gone.png", 10_000)]
    large = Picture("large", pictures[0].path, 100)
    assert list(thumbnails([*lost, large, pictures[1]], workers=0)) == ["1"]
