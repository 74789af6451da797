"""Detection of look-alikes, and the suggested similarity."""

import re

import numpy as np
from PIL import Image

from pixmill.core.expectations import warnings
from pixmill.validate.validation import Validation
from tests.images.samples import encoded
from tests.validate.conftest import Scrape, shapes


def part(number: int, *, cracked: bool) -> bytes:
    """Return a part before a fixed camera: one scene with stains, noise and perhaps a crack."""
    draw = np.random.default_rng(number)
    scene = np.asarray(shapes(0, side=160).convert("L"), np.float64)
    stains = Image.fromarray(draw.integers(0, 256, (9, 9), dtype=np.uint8)).resize(
        (160, 160), Image.Resampling.BICUBIC
    )
    scene = (
        scene
        + (np.asarray(stains, np.float64) - 128) / draw.uniform(18, 28)
        + draw.normal(0, 4, (160, 160))
    )
    if cracked:
        row, column = draw.integers(20, 100, 2)
        scene[row : row + 3, column : column + 30] -= 60
    return encoded(Image.fromarray(scene.clip(0, 255).astype(np.uint8)), "PNG")


def fill(scrape: Scrape, count: int, *, labels: tuple[str, str] = ("cracked", "whole")) -> None:
    for number in range(count):
        scrape.add(labels[0], part(2 * number, cracked=True))
        scrape.add(labels[1], part(2 * number + 1, cracked=False))


def signs(validation: Validation) -> list[str]:
    return [
        line
        for line in warnings(validation.outcomes).get("near_duplicates", [])
        if "duplicate_similarity" in line
    ]


def suggested(line: str) -> float:
    found = re.search(r"set validate\.duplicate_similarity: (0\.\d+),", line)
    assert found
    return float(found[1])


def test_suggested_similarity_keeps_lookalikes(scrape: Scrape) -> None:
    # More than 51 near-duplicates would be dropped except one.
    fill(scrape, 30)
    before = scrape.validate(gate=["near_duplicates"], classes=["cracked", "whole"])
    *_, last = signs(before)
    assert "different images that look alike, as before a fixed camera" in last
    assert any(
        "of the near-duplicate pairs have different labels" in line for line in signs(before)
    )
    after = scrape.validate(
        gate=["near_duplicates"], classes=["cracked", "whole"], duplicate_similarity=suggested(last)
    )
    assert (after.manifest["verdict"] == "keep").all()
    assert len(after.pairs) <= 3
    assert signs(after) == []


def test_reports_single_scene_with_one_label(scrape: Scrape) -> None:
    fill(scrape, 20, labels=("whole", "whole"))
    (line,) = signs(scrape.validate(gate=["near_duplicates"], classes=["whole"]))
    assert "40 of 40 images are near-duplicates of another; expected copies only" in line


def test_copies_with_different_labels_are_no_lookalikes(scrape: Scrape) -> None:
    for number in range(40):
        once = shapes(number, side=160)
        scrape.add("coat", encoded(once, "PNG"))
        scrape.add("shoe" if number % 2 else "coat", encoded(once, "JPEG", quality=95))
    found = scrape.validate(gate=["near_duplicates"])
    assert len(found.pairs) == 40
    assert signs(found) == []
