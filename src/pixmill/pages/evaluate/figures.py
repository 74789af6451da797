"""The page's curves, and the confusion matrix and contact sheets as image files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pixmill.evaluate import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "curve_svg", "figures", "sheet_figure"]

_INK, _PAPER, _RIGHT, _WRONG = "#1d2330", "#ffffff", "#1f6f6b", "#b3261e"
_COLUMNS = 6
_COUNTED = 30
"""Print counts in the cells up to this many classes, so that a page with hundreds of classes stays small."""

_WIDTH, _HEIGHT = 360, 260
_LEFT, _END, _TOP, _BOTTOM = 64, 26, 12, 42
"""Margins for the axis labels, in SVG user units; the page scales the drawing."""

Point = tuple[float, float]


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

    few = classes <= _COUNTED
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


def curve_svg(
    points: Sequence[Point],
    *,
    name: str,
    x_label: str,
    y_label: str,
    y_low: float = 0.0,
    dots: Sequence[float] = (),
    mark: Point | None = None,
) -> str:
    """Return an ``<svg>`` element with a curve or dots over shares; the same input gives the same bytes.

    Args:
        points: Both coordinates from 0 to 1, in the order in which they are joined.
        name: What the chart shows, for screen readers.
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        y_low: Where the y axis begins; it ends at 1.
        dots: The weight of each point, from 0 to 1, drawn as the area of a dot, together with a dashed diagonal;
            default: a line joins the points.
        mark: A point to ring.
    """
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(name)}">']
    for share in (0, 0.25, 0.5, 0.75, 1):
        level = y_low + share * (1 - y_low)
        x, y = _at((share, level), y_low)
        parts += [
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _END}"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * level:g} %</text>',
            f'<text x="{x:.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{100 * share:g} %</text>',
        ]
    across, up = (_LEFT + _WIDTH - _END) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts += [
        f'<text x="{across:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text transform="translate(13 {up:.1f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>',
    ]
    if dots:
        parts.append(f'<path class="guide" d="{_path([(0, y_low), (1, 1)], y_low)}"/>')
    elif points:
        parts.append(f'<path class="line" d="{_path(points, y_low)}"/>')
    for point, weight in zip(points, dots, strict=False):
        x, y = _at(point, y_low)
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 6 * weight**0.5:.1f}"/>')
    if mark is not None:
        x, y = _at(mark, y_low)
        parts.append(f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7"/>')
    return "".join([*parts, "</svg>"])


def _path(points: Sequence[Point], y_low: float) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (_at(point, y_low) for point in points))


def _at(point: Point, y_low: float) -> Point:
    """Return a point's position in the drawing; points below the axis are clipped to it."""
    share = max(0.0, (point[1] - y_low) / (1 - y_low))
    return (
        _LEFT + point[0] * (_WIDTH - _LEFT - _END),
        _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP),
    )
