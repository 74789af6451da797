"""The confusion matrix and the contact sheet of mistakes as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pixmill.evaluate.mistakes import Mistake

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "mistakes_figure"]

_INK, _PAPER, _RIGHT, _WRONG = "#1d2330", "#ffffff", "#1f6f6b", "#b3261e"
_COLUMNS = 6
_COUNTS = 2500
"""The most counts that are written out, largest first: a page must stay small with hundreds of classes."""


def confusion_figure(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Return the confusion matrix with its counts: what is right in one colour, what is wrong in another.

    The shade is the share of the row, so that a small class is read like a large one.

    Args:
        matrix: Pictures by actual (row) and predicted (column) class.
        labels: The classes' names.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    classes = len(labels)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    hue = np.where(np.eye(classes, dtype=bool)[..., None], to_rgb(_RIGHT), to_rgb(_WRONG))
    # The square root lifts small shares, which are the ones to look for.
    depth = np.sqrt(share)[..., None]
    colours = (1 - depth) * np.array(to_rgb(_PAPER)) + depth * hue

    side = max(3.2, 0.62 * classes) if classes <= 30 else 0.3 * classes + 10
    figure = Figure(figsize=(side + 1.2, side + 0.6))
    axes = figure.add_subplot()
    # One path a cell, which stays sharp; with very many classes a picture, which stays small.
    axes.pcolormesh(colours, edgecolors="#dedbd2", linewidth=0.5, rasterized=classes > 30)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(classes) + 0.5, labels, rotation=35, ha="right", rotation_mode="anchor", color=_INK)
    axes.set_yticks(np.arange(classes) + 0.5, labels, color=_INK)
    axes.tick_params(length=0)
    axes.set_xlabel("what the model said", color=_INK)
    axes.set_ylabel("what the picture shows", color=_INK)
    axes.spines[:].set_visible(False)
    cells = np.argwhere(matrix > 0)
    largest = np.argsort(-matrix[matrix > 0], kind="stable")[:_COUNTS]
    for row, column in cells[largest]:
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{matrix[row, column]:,}",
            ha="center",
            va="center",
            fontsize=11 if classes <= 12 else 7,
            color=_PAPER if depth[row, column, 0] > 0.6 else _INK,
        )
    return figure


def mistakes_figure(mistakes: Sequence[Mistake]) -> Figure:
    """Return the mistakes as one contact sheet, in their order.

    Args:
        mistakes: The pictures, each with what was said and what is true.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, max(len(mistakes), 1))
    rows = max(-(-len(mistakes) // columns), 1)
    figure = Figure(figsize=(1.5 * columns, 1.95 * rows), layout="constrained")
    if not mistakes:
        figure.text(0.5, 0.5, "no mistake", ha="center", va="center", color=_INK)
        return figure
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels:
        axes.set_axis_off()
    for axes, mistake in zip(figure.axes, mistakes, strict=False):
        axes.imshow(mistake.pixels)
        axes.set_title(
            f"{mistake.predicted} {100 * mistake.confidence:.0f} %\nis {mistake.label}", fontsize=8, color=_INK
        )
    return figure
