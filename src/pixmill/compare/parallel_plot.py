"""A parallel plot of runs: an axis for each param in which they differ, and one for the metric."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixmill.core.params.reference import plain
from pixmill.pages.base import shorten
from pixmill.pages.base.chart import Scale

_AXES = 8
"""Params that have an axis: with more, nobody follows a line."""

_LEFT, _GAP, _RIGHT, _TOP, _HEIGHT = 70, 150, 90, 44, 280
"""Units of the drawing: margins, the distance of two axes, and their height."""

_APART = 13
"""Units between two labels that do not touch."""


@dataclass(frozen=True)
class Axis:
    """One axis of the plot.

    Args:
        name: The full name of what it shows.
        title: A short one.
        x: Where it stands.
        heights: Where each line meets it, in the order of the runs.
        labels: Values that are written beside it, with their heights.
        logarithmic: Whether its scale is.
    """

    name: str
    title: str
    x: float
    heights: tuple[float, ...]
    labels: tuple[tuple[float, str], ...]
    logarithmic: bool = False


@dataclass(frozen=True)
class ParallelPlot:
    """The axes of a parallel plot, with their places in the drawing.

    Args:
        axes: From left to right; the last is the metric.
        width: Its width.
        top: The upper end of the axes.
        bottom: Their lower end.
        left_out: Params that have no axis.
    """

    axes: tuple[Axis, ...]
    width: float
    top: float
    bottom: float
    left_out: int

    def points(self, place: int) -> str:
        """Return the line of a run."""
        return " ".join(f"{axis.x:g},{axis.heights[place]:.1f}" for axis in self.axes)

    def share(self, place: int) -> float:
        """Return how good a run is, from 0 (the worst) to 1."""
        return (self.bottom - self.axes[-1].heights[place]) / _HEIGHT


def parallel_plot(
    params: Sequence[Mapping[str, Any]], metric: str, values: Sequence[float], *, lower_is_better: bool
) -> ParallelPlot | None:
    """Return the plot; ``None`` where there is nothing to see: one run, or no param that differs.

    Args:
        params: Those of each run, by dotted name; the same names for all.
        metric: What the last axis is called.
        values: The metric of each run.
        lower_is_better: Whether its best value is the lowest, which then is on top.
    """
    columns = {name: [row[name] for row in params] for name in (params[0] if params else ())}
    names = [name for name, column in columns.items() if any(value != column[0] for value in column)]
    if not names:
        return None
    ends = [name.rpartition(".")[2] for name in names]
    axes = [
        # Names that end alike are told in full.
        _axis(name, end if ends.count(end) == 1 else name, _LEFT + place * _GAP, columns[name])
        for place, (name, end) in enumerate(zip(names[:_AXES], ends, strict=False))
    ]
    axes.append(_axis(metric, metric, _LEFT + len(axes) * _GAP, values, digits=3, upside_down=lower_is_better))
    return ParallelPlot(tuple(axes), axes[-1].x + _RIGHT, _TOP, _TOP + _HEIGHT, max(0, len(names) - _AXES))


def _is_number(value: Any) -> bool:
    """Tell whether a value has a place on a scale: no infinity, and no integer that is larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _axis(
    name: str, title: str, x: float, values: Sequence[Any], *, digits: int = 4, upside_down: bool = False
) -> Axis:
    """Return an axis: numbers are placed by size, or by magnitude over two decades, other values by name."""
    logarithmic = False
    if all(_is_number(value) for value in values):
        texts = [f"{value:.{digits}g}" for value in values]
        logarithmic = min(values) > 0 and max(values) / min(values) > 100
        places = [float(value) for value in values]
    else:
        texts = [shorten(plain(value), 16) for value in values]
        names = sorted(set(texts), reverse=True)
        places = [float(names.index(text)) for text in texts]
    start, end = (_TOP, _TOP + _HEIGHT) if upside_down else (_TOP + _HEIGHT, _TOP)
    scale = Scale(min(places), max(places), start, end, logarithmic)
    heights = [scale(place) for place in places]
    # The ends are always written, the others where there is room.
    inner = sorted(zip(heights, texts, strict=True))
    labels: list[tuple[float, str]] = []
    for height, text in (inner[0], inner[-1], *inner):
        if all(abs(height - other) >= _APART for other, _ in labels):
            labels.append((height, text))
    return Axis(name, title, x, tuple(heights), tuple(labels), logarithmic)
