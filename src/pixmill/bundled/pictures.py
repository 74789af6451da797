"""The bundled pictures themselves: which of a collection they are, enlarged and inverted in integers only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.images.png import write_png

__all__ = ["CLASSES", "PER_CLASS", "enlarge", "write_pictures"]

Pixels = npt.NDArray[np.uint8]

CLASSES = {"coat": 4, "dress": 3, "shirt": 6, "sneaker": 7, "trouser": 1}
"""Our class names and Fashion-MNIST's label indices."""

PER_CLASS = 250
"""Pictures of each class: the first ones in the order of the training set."""


def write_pictures(folder: Path, images: Pixels, labels: Pixels) -> None:
    """Write the chosen pictures as ``<class>/<nnnn>.png``: four times as large, dark on white.

    Args:
        folder: An empty folder.
        images: Grey values on black of shape ``(n, height, width)``, ``uint8``.
        labels: Label indices of shape ``(n,)``.
    """
    for name, label in CLASSES.items():
        (folder / name).mkdir()
        for number, index in enumerate(np.flatnonzero(labels == label)[:PER_CLASS]):
            write_png(folder / name / f"{number:04d}.png", 255 - enlarge(images[index]))


def enlarge(pixels: Pixels) -> Pixels:
    """Enlarge a grey picture four times, in integers only, so that every machine agrees on every value.

    Args:
        pixels: Grey values of shape ``(height, width)``, ``uint8``.

    Returns:
        Grey values of shape ``(4 * height, 4 * width)``, ``uint8``: Catmull-Rom interpolation (E. Catmull and R. Rom,
        "A class of local interpolating splines", 1974), separable, edges repeated, rounded half up.
    """
    down, across = (_catmull_rom(side) for side in pixels.shape)
    total = down @ pixels.astype(np.int64) @ across.T  # each side multiplies by 1024
    larger: Pixels = np.clip((total + (1 << 19)) >> 20, 0, 255).astype(np.uint8)
    return larger


def _catmull_rom(side: int) -> npt.NDArray[np.int64]:
    """Return the interpolation matrix ``(4 * side, side)``, times 1024: exact, since positions fall on odd eighths."""
    matrix = np.zeros((4 * side, side), np.int64)
    for row in range(4 * side):
        left, eighths = divmod(2 * row - 3, 8)  # the centre of an output row lies at (row + 1/2) / 4 - 1/2
        t, tt, ttt = 64 * eighths, 8 * eighths**2, eighths**3  # powers of the fraction, times 512
        weights = (-ttt + 2 * tt - t, 3 * ttt - 5 * tt + 1024, -3 * ttt + 4 * tt + t, ttt - tt)
        for column, weight in enumerate(weights, start=left - 1):
            matrix[row, min(max(column, 0), side - 1)] += weight
    return matrix
