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


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("L")


def brighter(image: Image.Image) -> Image.Image:
    return image.point(lambda value: min(255, round(value * 1.1)))


def cropped(image: Image.Image, left: float, top: float) -> Image.Image:
    across, down = round(image.width * CUT), round(image.height * CUT)
    x, y = round(left * across), round(top * down)
    return image.crop((x, y, image.width - across + x, image.height - down + y))


EDITS = {
    "copied": lambda image, _: image,
    "half size": lambda image, _: half(image),
    "JPEG 40": lambda image, _: recompressed(image),
    "brighter": lambda image, _: brighter(image),
    "cropped in the centre": lambda image, _: cropped(image, 0.5, 0.5),
    "cropped at a corner": lambda image, dice: cropped(image, dice.choice([0, 1]), dice.choice([0, 1])),
}


def test_edited_copies_are_found_and_look_alikes_are_not(bundled_images: Path) -> None:
    originals = [Image.open(path).convert("L") for path in sorted(bundled_images.glob("*/*.png"))]
    dice, count = random.Random(0), len(originals)
    versions = originals + [edit(image, dice) for edit in EDITS.values() for image in originals]
    assert len(versions) > 2000
    greys = np.stack([small_grey(np.asarray(image)) for image in versions])
    links = near_duplicates(perceptual_hashes(greys), greys, distance=16, similarity=0.99)
    one, other = links.a % count, links.b % count
    true = one == other
    recall = {
        name: np.count_nonzero(true & (links.a < count) & (links.b // count == number)) / count
        for number, name in enumerate(EDITS, start=1)
    }
    assert min(recall.values()) >= 0.95, recall
    assert true.mean() >= 0.99, f"{np.count_nonzero(~true)} of {len(true)} pairs are of different products"
