"""A sheet of training images, as packed and as augmented."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.params import TrainParams
from pixmill.heads import Head
from pixmill.images.fit import thumbnail
from pixmill.images.parts import Part
from pixmill.models.augmentation import preview_augmentation
from pixmill.models.determinism import derived_seed

_MAX_CLASSES = 30
"""Maximum number of rows; only the first classes are shown."""

_COPIES = 5
"""Number of augmented copies, or further images, per row."""

_TILE_SIDE = 112
"""Approximate side of an image on the sheet.

Images are scaled by whole numbers, which keeps pixels visible.
"""

_GAP = 4
_BACKGROUND = 255


@dataclass(frozen=True)
class Samples:
    """Training images, as packed and as augmented.

    Args:
        labels: Class of each row.
        pixels: ``uint8`` of shape (rows, columns, side, side, 3); the first image of a row is as
            packed.
        augmented: Whether the other images of a row are augmented copies of the first; otherwise
            they are other images, as packed.
    """

    labels: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    augmented: bool

    def sheet(self) -> bytes:
        """Return the images as one JPEG file; equal pixels give equal bytes."""
        side = self.pixels.shape[2]
        # Subsample large images, repeat the pixels of small ones.
        small = self.pixels[:, :, :: max(1, side // _TILE_SIDE), :: max(1, side // _TILE_SIDE)]
        large = small.repeat(factor := max(1, _TILE_SIDE // side), axis=2).repeat(factor, axis=3)
        framed = np.pad(
            large, ((0, 0), (0, 0), (_GAP, 0), (_GAP, 0), (0, 0)), constant_values=_BACKGROUND
        )
        rows, columns, height, width, _ = framed.shape
        sheet = framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)
        sheet = np.pad(sheet, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=_BACKGROUND)
        return thumbnail(sheet, size=max(sheet.shape), quality=90)


def draw_samples(
    training: Part,
    params: TrainParams,
    *,
    head: Head,
    labels: Sequence[str],
    root: Path = Path(),
) -> Samples:
    """Return the first training image of each class, with augmented copies.

    Without augmentation, the samples are several images of each class instead.

    Args:
        training: The training split.
        params: The section ``train``.
        head: What the model answers.
        labels: The classes, in the order of the targets.
        root: Project folder, whose ``src`` contains plugins. Default: the current folder.
    """
    shown = [head.labels_of(text) for text in training.rows["label"]]
    members = (np.flatnonzero([label in each for each in shown]) for label in labels)
    found = [(label, of) for label, of in zip(labels, members, strict=True) if of.size]
    names, rows = zip(*found[:_MAX_CLASSES], strict=True)
    if not params.kind.on_features and params.augmentation.changes_images:
        pixels = np.ascontiguousarray(training.pixels[np.array([row[0] for row in rows])])
        # One batch, since augmentation may mix images of different classes.
        columns = [
            preview_augmentation(
                pixels, params.augmentation, seed=derived_seed(params.seed, column), root=root
            )
            for column in range(_COPIES)
        ]
        return Samples(names, np.stack([pixels, *columns], axis=1), augmented=True)
    several = [training.pixels[np.resize(row[: 1 + _COPIES], 1 + _COPIES)] for row in rows]
    return Samples(names, np.stack(several), augmented=False)
