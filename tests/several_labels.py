"""Tables of several labels an image: of the bundled images, and a replica of a field set."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

YES_OF = {
    "sleeves": ("coat", "dress", "shirt"),
    "footwear": ("sneaker",),
    "worn above": ("coat", "shirt"),
    "long": ("coat", "dress", "trouser"),
}
"""Labels of the bundled images, and the classes that have them."""

DARK = "dark"
"""A label by brightness, which no class decides."""

LABELS = (*YES_OF, DARK)

_DARK_BELOW = 110
"""Mean grey level of the middle of a dark image."""


@dataclass(frozen=True)
class Table:
    """A table with a column for each label.

    Args:
        path: The table, beside a folder ``images``.
        labels: Names of the columns.
        cells: 1 for yes, 0 for no and -1 for unknown, shape (images, labels).
        truth: The cells before some became unknown.
    """

    path: Path
    labels: tuple[str, ...]
    cells: npt.NDArray[np.int8]
    truth: npt.NDArray[np.int8]


def bundled_table(
    folder: Path, images: Path, *, per_class: int = 50, blank: float = 0.1, seed: int = 1
) -> Table:
    """Write a table of bundled images.

    Args:
        folder: Folder to create.
        images: The bundled images as ``<class>/<file>``.
        per_class: Number of images of each class.
        blank: Share of the cells that are unknown.
        seed: Of the unknown cells.
    """
    (folder / "images").mkdir(parents=True)
    names = []
    truth = []
    for place in sorted(images.iterdir()):
        for path in sorted(place.glob("*.png"))[:per_class]:
            name = f"images/{place.name}-{path.name}"
            shutil.copy2(path, folder / name)
            names.append(name)
            is_dark = _middle_level(path) < _DARK_BELOW
            truth.append([*(place.name in classes for classes in YES_OF.values()), is_dark])
    return _write(folder, names, LABELS, np.array(truth, np.int8), blank, seed)


def field_table(
    folder: Path,
    *,
    images: int = 700,
    labels: int = 40,
    rarest: float = 0.06,
    blank: float = 0.4,
    seed: int = 1,
) -> Table:
    """Write a table as people bring: many labels, most of them rare, and many blank cells.

    An image has a disc of its own colour and place for each of its labels, on noise, so that a
    model can tell them. A label is the rarer, the later it comes; one image in ten has none.

    Args:
        folder: Folder to create.
        images: Number of images.
        labels: Number of labels.
        rarest: Share of images with the last label; the first has one half, others between.
        blank: Share of the cells that are unknown.
        seed: Of images and cells.
    """
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(seed)
    shares = np.geomspace(0.5, rarest, labels)
    truth = random.random((images, labels)) < shares
    truth[::10] = False
    colours = random.integers(0, 256, (labels, 3))
    names = [f"images/{number:05}.png" for number in range(images)]
    for name, has in zip(names, truth, strict=True):
        pixels = random.integers(60, 196, (96, 96, 3), np.uint8)
        down, across = np.mgrid[:96, :96]
        for label in np.flatnonzero(has):
            row, column = divmod(int(label) % 64, 8)
            is_inside = (down - 12 * row - 6) ** 2 + (across - 12 * column - 6) ** 2 < 36
            pixels[is_inside] = colours[label]
        Image.fromarray(pixels).save(folder / name)
    width = len(str(labels - 1))
    columns = tuple(f"label {number:0{width}}" for number in range(labels))
    return _write(folder, names, columns, truth.astype(np.int8), blank, seed)


def _middle_level(path: Path) -> float:
    with Image.open(path) as image:
        levels = np.asarray(image.convert("L"))
    height, width = levels.shape
    return float(levels[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4].mean())


def _write(
    folder: Path,
    names: Sequence[str],
    labels: tuple[str, ...],
    truth: npt.NDArray[np.int8],
    blank: float,
    seed: int,
) -> Table:
    cells = truth.copy()
    # Other numbers than those that chose the labels.
    cells[np.random.default_rng([seed, 1]).random(truth.shape) < blank] = -1
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *labels])
        for name, row in zip(names, cells.tolist(), strict=True):
            writer.writerow([name, *("" if cell < 0 else cell for cell in row)])
    return Table(path, labels, cells, truth)
