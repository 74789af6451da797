"""A sheet of training images as they are packed, and as the model sees them after augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.params import TrainParams
from pixmill.images.fit import thumbnail
from pixmill.images.parts import Part
from pixmill.models.augmentation import preview_augmentation
from pixmill.models.determinism import derived_seed

_CLASSES = 30
"""Classes that are shown, the first ones: with more the sheet is too long to look at."""

_CHANGED = 5
"""How often each is shown with other changes."""

_SIDE = 112
"""Images on the sheet are enlarged to about this many pixels by whole numbers, so that each pixel is seen."""

_GAP, _PAPER = 4, 255


@dataclass(frozen=True)
class Samples:
    """Training images, as packed and as augmented.

    Args:
        labels: One a row.
        pixels: ``uint8`` of shape (rows, columns, side, side, 3); the first of a row is as it was packed.
        augmented: Whether the others of a row are the same image, augmented; else they are other images, as packed.
    """

    labels: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    augmented: bool

    def sheet(self) -> bytes:
        """Return them as one JPEG file, whose bytes follow from the pixels alone."""
        side = self.pixels.shape[2]
        # Larger than the sheet wants it, an image is thinned out; smaller, each pixel becomes several.
        small = self.pixels[:, :, :: max(1, side // _SIDE), :: max(1, side // _SIDE)]
        large = small.repeat(factor := max(1, _SIDE // side), axis=2).repeat(factor, axis=3)
        framed = np.pad(large, ((0, 0), (0, 0), (_GAP, 0), (_GAP, 0), (0, 0)), constant_values=_PAPER)
        rows, columns, height, width, _ = framed.shape
        sheet = framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)
        sheet = np.pad(sheet, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=_PAPER)
        return thumbnail(sheet, size=max(sheet.shape), quality=90)


def draw_samples(training: Part, params: TrainParams, *, labels: Sequence[str], root: Path | None = None) -> Samples:
    """Return the first training image of some classes, each augmented several times.

    Where augmentation is off, or features are computed once, they are several images of each class instead.

    Args:
        training: The training part.
        params: The section ``train``.
        labels: The classes, in the order of the targets.
        root: The project folder, whose ``src`` holds an augmentation of its own; default: the current one.
    """
    classes = np.unique(training.targets)[:_CLASSES]
    names = tuple(str(labels[label]) for label in classes)
    rows = [np.flatnonzero(training.targets == label) for label in classes]
    if params.model != "features" and params.augmentation.changes_images:
        pixels = np.ascontiguousarray(training.pixels[np.array([row[0] for row in rows])])
        # As one batch, so that images of different classes are mixed where they are.
        columns = [
            preview_augmentation(pixels, params.augmentation, seed=derived_seed(params.seed, column), root=root)
            for column in range(_CHANGED)
        ]
        return Samples(names, np.stack([pixels, *columns], axis=1), augmented=True)
    several = [training.pixels[np.resize(row[: 1 + _CHANGED], 1 + _CHANGED)] for row in rows]
    return Samples(names, np.stack(several), augmented=False)
