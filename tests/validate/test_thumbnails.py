"""Thumbnails fill a bounded part of the page, what matters most first."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.compute import Limits
from pixmill.validate import thumbnails as module
from pixmill.validate.measures import Picture
from pixmill.validate.thumbnails import thumbnails


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    generator = np.random.default_rng(0)
    return [
        saved(tmp_path / f"{number}.png", Image.fromarray(generator.integers(0, 256, (80, 80, 3), dtype=np.uint8)))
        for number in range(5)
    ]


def saved(path: Path, image: Image.Image) -> Picture:
    image.save(path)
    return named(path)


def named(path: Path, max_pixels: int = 10_000) -> Picture:
    return Picture(hashlib.sha256(path.read_bytes()).hexdigest(), path, max_pixels)


def ids(pictures: Sequence[Picture]) -> list[str]:
    return [picture.id for picture in pictures]


def test_each_picture_has_one(pictures: list[Picture]) -> None:
    found = thumbnails([*pictures, pictures[0]], workers=0)
    assert list(found) == ids(pictures)
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in found.values())


def test_where_the_page_is_full_the_last_have_none(pictures: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [len(uri) for uri in thumbnails(pictures, workers=0).values()]
    monkeypatch.setattr(module, "_BYTES", sum(sizes[:3]) + 10)
    assert list(thumbnails(pictures, workers=0)) == ids(pictures[:3])


def test_what_cannot_be_shown_has_none(pictures: list[Picture], tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_bytes(b"a text")
    os.mkfifo(tmp_path / "pipe.png")
    lost = [
        named(text),
        named(pictures[0].path, max_pixels=100),
        Picture("gone", tmp_path / "gone.png", 10_000),
        Picture("pipe", tmp_path / "pipe.png", 10_000),
        pictures[2]._replace(id="another"),
    ]
    assert list(thumbnails([*lost, pictures[1]], workers=0)) == ids(pictures[1:2])


@pytest.mark.slow
def test_one_that_takes_more_than_it_may_costs_itself_alone(pictures: list[Picture], tmp_path: Path) -> None:
    vast = saved(tmp_path / "vast.png", Image.new("L", (9000, 9000)))._replace(max_pixels=10**9)
    found = thumbnails([vast, *pictures], limits=Limits(seconds=60, memory=120 << 20), workers=1)
    assert list(found) == ids(pictures)
