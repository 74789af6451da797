"""The confusion matrix, curves and contact sheets as pictures, for tools that show pictures only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.mistakes import Mistake

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "coverage_figure", "mistakes_figure", "reliability_figure", "sheet_figure"]

_INK, _PAPER, _RIGHT, _WRONG = "#1d2330", "#ffffff", "#1f6f6b", "#b3261e"
_COLUMNS = 6
_LARGEST = 60.0
"""Inches of the side of the matrix at most: what is drawn grows with its square, and takes as much memory."""

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

    side = max(3.2, 0.62 * classes) if classes <= 30 else min(0.3 * classes + 10, _LARGEST)
    # Names stay apart, however small a cell becomes.
    cell = 72 * side / classes
    figure = Figure(figsize=(side + 1.2, side + 0.6))
    axes = figure.add_subplot()
    # One path a cell, which stays sharp; with very many classes a picture, which stays small.
    axes.pcolormesh(colours, edgecolors="#dedbd2", linewidth=0.5, rasterized=classes > 30)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xticks(np.arange(classes) + 0.5, labels, rotation=35, ha="right", rotation_mode="anchor", color=_INK)
    axes.set_yticks(np.arange(classes) + 0.5, labels, color=_INK)
    axes.tick_params(length=0, labelsize=min(10, 0.7 * cell))
    axes.set_xlabel("what the model said", color=_INK, fontsize=max(10, 0.5 * side))
    axes.set_ylabel("what the picture shows", color=_INK, fontsize=max(10, 0.5 * side))
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
            fontsize=11 if classes <= 12 else min(7, 0.5 * cell),
            color=_PAPER if depth[row, column, 0] > 0.6 else _INK,
        )
    return figure


def mistakes_figure(mistakes: Sequence[Mistake]) -> Figure:
    """Return the mistakes as one contact sheet, in their order.

    Args:
        mistakes: The pictures, each with what was said and what is true.
    """
    return sheet_figure(
        [(item.pixels, f"{item.predicted} {100 * item.confidence:.0f} %\nis {item.label}") for item in mistakes],
        empty="no mistake",
    )


def sheet_figure(pictures: Sequence[tuple[npt.NDArray[np.uint8], str]], *, empty: str) -> Figure:
    """Return pictures as one contact sheet, in their order.

    Args:
        pictures: Each with its title.
        empty: What is said where there is none.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, max(len(pictures), 1))
    rows = max(-(-len(pictures) // columns), 1)
    figure = Figure(figsize=(1.5 * columns, 1.95 * rows), layout="constrained")
    if not pictures:
        figure.text(0.5, 0.5, empty, ha="center", va="center", color=_INK)
        return figure
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels:
        axes.set_axis_off()
    for axes, (pixels, title) in zip(figure.axes, pictures, strict=False):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=8, color=_INK)
    return figure


def reliability_figure(table: pd.DataFrame) -> Figure:
    """Return how often the model is right by how sure it says it is.

    Args:
        table: Columns ``confidence``, ``accuracy`` and ``n``, one row a bin that holds pictures.
    """
    axes = _shares("how sure it said it was", "how often it was right")
    axes.plot([0, 1], [0, 1], linestyle="--", color="#656d7c", linewidth=1)
    axes.plot(table["confidence"], table["accuracy"], color=_RIGHT)
    most = max(int(table["n"].max()), 1) if len(table) else 1
    axes.scatter(table["confidence"], table["accuracy"], s=10 + 150 * table["n"] / most, color=_RIGHT, alpha=0.75)
    return _whole(axes)


def coverage_figure(table: pd.DataFrame) -> Figure:
    """Return how often the answers are right by how many pictures get an answer.

    Args:
        table: Columns ``coverage`` and ``accuracy``, one row a threshold.
    """
    axes = _shares("pictures that get an answer", "answers that are right")
    axes.plot(table["coverage"], table["accuracy"], color=_RIGHT)
    axes.set_ylim(min([*table["accuracy"], 0.8]) - 0.02, 1.005)
    return _whole(axes)


def _shares(x_label: str, y_label: str) -> Axes:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    axes = Figure(figsize=(4.6, 3.6), layout="constrained").add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel(x_label, color=_INK)
    axes.set_ylabel(y_label, color=_INK)
    axes.grid(color="#dedbd2", linewidth=0.5)
    return axes


def _whole(axes: Axes) -> Figure:
    from matplotlib.figure import Figure

    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure
