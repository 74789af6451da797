"""What people do to their folders: they add, remove, rename and shuffle, and no remaining image changes sides."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.core.manifest import SPLIT, read_table

pytestmark = pytest.mark.slow

CLASSES = ("coat", "dress")
COUNT = 50
PARAMS = """
classes: [coat, dress]
scrape: {source: folder, snapshot: '2026-11-20'}
validate: {min_per_class: {count: 10}}
split: {image_size: 16, folds: 2}
"""


@dataclass(frozen=True)
class Project:
    root: Path

    def places(self):
        """Return where each image is kept, by id."""
        table = read_table(self.root / "artifacts/split/manifest.parquet", SPLIT, stage="split")
        kept = table[table["split"].notna()]
        folds = kept["fold"].fillna(-1).astype(int)
        return dict(zip(kept["id"], zip(kept["split"], folds, strict=True), strict=True))

    def packed(self):
        """Return the bytes of everything that train reads but the manifest, which names the files that people gave."""
        folder = self.root / "artifacts/split"
        names = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".bin", ".json")]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


@pytest.fixture
def run(tmp_path, repository):
    def run(name, images):
        """Run the pipeline up to split on images by their place in data/."""
        root = tmp_path / name
        for place, image in images.items():
            path = root / "data" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
        (root / "params.yaml").write_text(PARAMS)
        (root / "review.csv").write_text("image,decision,label,by,why\n")
        environment = {**os.environ, "PYTHONPATH": str(repository)}
        for stage in ("scrape", "validate", "split"):
            done = subprocess.run(
                [sys.executable, "-m", f"stages.{stage}"], cwd=root, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        return Project(root)

    return run


def drawn(seed):
    """Return an image that is like no other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC)


def test_adding_removing_renaming_and_shuffling_moves_nothing(run):
    images = {(label, n): drawn(2 * n + place) for place, label in enumerate(CLASSES) for n in range(COUNT)}
    # Every fifth has a near-duplicate, so that some straddle.
    twins = {(label, n + 1000): image.resize((72, 60)) for (label, n), image in images.items() if n % 5 == 0}
    images |= twins
    before = run("before", {f"{label}/{n:04}.png": image for (label, n), image in images.items()})

    renamed = {f"{label}/IMG {9999 - n} (neu).PNG": image for (label, n), image in images.items()}
    shuffled = run("renamed", dict(reversed(renamed.items())))
    assert shuffled.places() == before.places()
    assert shuffled.packed() == before.packed()
    assert (shuffled.root / "metrics/split.json").read_bytes() == (before.root / "metrics/split.json").read_bytes()

    fewer = {key: image for key, image in images.items() if key[1] % 5 != 1}
    more = {(label, n): drawn(5000 + 2 * n + place) for place, label in enumerate(CLASSES) for n in range(2000, 2012)}
    after = run("after", {f"{label}/x{n}.png": image for (label, n), image in (fewer | more).items()})
    stayed = {name: place for name, place in after.places().items() if name in before.places()}
    assert stayed == {name: before.places()[name] for name in stayed}
    assert len(stayed) == len(before.places()) - 2 * COUNT // 5
    assert len(after.places()) > len(stayed)
