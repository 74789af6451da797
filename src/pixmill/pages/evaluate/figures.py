"""The confusion matrix and contact sheets as image files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pixmill.evaluate.evaluation import Evaluation
from pixmill.pages.base.chart import READABLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _PAPER, _RIGHT, _WRONG = "#1d2330", "#ffffff", "#1f6f6b", "#b3261e"
_COLUMNS = 6


def figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Return each figure by its file name.

    Args:
        evaluation: The evaluation to plot.
    """
    sheets = {
        "mistakes.png": [
            (item.pixels, f"{item.predicted} {100 * item.confidence:.0f} %\nactual: {item.label}")
            for item in evaluation.mistakes
        ],
        # Not samples.jpg: in the same MLflow run that is the sheet of augmented training images.
        "predictions.png": [
            (
                item.pixels,
                f"{item.predicted} {100 * item.confidence:.0f} %" + ("" if item.right else f"\nactual: {item.label}"),
            )
            for item in evaluation.sample
        ],
        "grad_cam.png": [
            (pixels, f"{item.predicted}\nactual: {item.label}")
            for item in evaluation.mistakes
            if item.id in evaluation.heatmaps
            for pixels in (item.pixels, evaluation.heatmaps[item.id])
        ],
        "labels.png": [(item.pixels, f"label: {item.label}\nlikely: {item.suggested}") for item in evaluation.doubts],
    }
    return {
        "confusion.png": confusion_figure(evaluation.matrix, evaluation.labels),
        **{name: sheet_figure(images) for name, images in sheets.items() if images},
    }


def confusion_figure(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Return the confusion matrix with its counts: correct predictions in one colour, errors in another.

    Shading is row-normalised, so that small and large classes compare.

    Args:
        matrix: Images by actual (row) and predicted (column) class.
        labels: The classes' names.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    classes = len(labels)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    hue = np.where(np.eye(classes, dtype=bool)[..., None], to_rgb(_RIGHT), to_rgb(_WRONG))
    # The square root makes small shares visible.
    depth = np.sqrt(share)[..., None]
    colours = (1 - depth) * np.array(to_rgb(_PAPER)) + depth * hue

    few = classes <= READABLE
    side = max(3.2, 0.62 * classes) if few else 20.0
    figure = Figure(figsize=(side + 1.2, side + 0.6))
    axes = figure.add_subplot()
    # One path a cell, which stays sharp; with very many classes an image, which stays small.
    axes.pcolormesh(colours, edgecolors="#dedbd2", linewidth=0.5 if few else 0, rasterized=not few)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(classes) + 0.5, labels, rotation=35 if few else 90, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(classes) + 0.5, labels)
    # Names stay apart, however small a cell becomes.
    axes.tick_params(length=0, labelsize=min(10, 0.7 * 72 * side / classes), labelcolor=_INK)
    axes.set_xlabel("predicted class", color=_INK)
    axes.set_ylabel("actual class", color=_INK)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(matrix > 0) if few else ():
        colour = _PAPER if depth[row, column, 0] > 0.6 else _INK
        text = f"{matrix[row, column]:,}"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color=colour)
    return figure


def sheet_figure(images: Sequence[tuple[npt.NDArray[np.uint8], str]]) -> Figure:
    """Return images as one contact sheet, in their order.

    Args:
        images: Each with its title; at least one.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.5 * columns, 1.95 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (pixels, title) in zip(figure.axes, images, strict=False):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=8, color=_INK)
    return figure
