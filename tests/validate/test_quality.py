"""Of look-alike product photographs, edited in the ways that people and sites edit them, copies alone are found."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.images.likeness.hashing import perceptual_hashes, small_grey
from pixmill.images.likeness.neighbours import near_duplicates

pytestmark = pytest.mark.slow

CUT = 0.03
"""The share of width and height that a crop takes away."""


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def recompressed(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("L")


def brighter(picture: Image.Image) -> Image.Image:
    return picture.point(lambda value: min(255, round(value * 1.1)))


def cropped(picture: Image.Image, left: float, top: float) -> Image.Image:
    across, down = round(picture.width * CUT), round(picture.height * CUT)
    x, y = round(left * across), round(top * down)
    return picture.crop((x, y, picture.width - across + x, picture.height - down + y))


EDITS = {
    "copied": lambda picture, _: picture,
    "half size": lambda picture, _: half(picture),
    "JPEG 40": lambda picture, _: recompressed(picture),
    "brighter": lambda picture, _: brighter(picture),
    "cropped in the centre": lambda picture, _: cropped(picture, 0.5, 0.5),
    "cropped at a corner": lambda picture, dice: cropped(picture, dice.choice([0, 1]), dice.choice([0, 1])),
}


def test_edited_copies_are_found_and_look_alikes_are_not(bundled_pictures: Path) -> None:
    originals = [Image.open(path).convert("L") for path in sorted(bundled_pictures.glob("*/*.png"))]
    dice, count = random.Random(0), len(originals)
    versions = originals + [edit(picture, dice) for edit in EDITS.values() for picture in originals]
    assert len(versions) > 2000
    greys = np.stack([small_grey(np.asarray(picture)) for picture in versions])
    links = near_duplicates(perceptual_hashes(greys), greys, distance=16, similarity=0.99)
    one, other = links.a % count, links.b % count
    true = one == other
    recall = {
        name: np.count_nonzero(true & (links.a < count) & (links.b // count == number)) / count
        for number, name in enumerate(EDITS, start=1)
    }
    assert min(recall.values()) >= 0.95, recall
    assert true.mean() >= 0.99, f"{np.count_nonzero(~true)} of {len(true)} pairs are of different products"
