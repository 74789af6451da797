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

_LEFT, _RIGHT, _TOP, _HEIGHT = 70, 90, 44, 280
"""Units of the drawing: margins, and the height of the axes."""

_WIDTH, _GAP = 1060, 150
"""The most units that the drawing is wide, which fits a page on a screen, and between two axes."""

_LETTER = 7.5
"""Units of a letter in a heading."""

_APART = 13
"""Units between two labels that do not touch."""

_NAMED, _BELOW = 8, 24
"""Numbers that have a place each beside values of another kind; units that such a value takes below more numbers."""

_MOST = 14
"""Letters of a label."""

_ABSENT = "\N{EN DASH}"
"""Stands for a param that a model does not use."""


@dataclass(frozen=True)
class Axis:
    """One axis of the plot.

    Args:
        name: The full name of what it shows.
        title: A short one, which touches none of its neighbours.
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
        params: Those of each run, by dotted name; what a run does not use is absent. Of many, those with the most
            values have an axis.
        metric: What the last axis is called.
        values: The metric of each run.
        lower_is_better: Whether its best value is the lowest, which then is on top.
    """
    columns = {name: [row.get(name, _ABSENT) for row in params] for row in params for name in row}
    different = {name: len({*map(plain, column)}) for name, column in columns.items()}
    names = sorted((name for name in columns if different[name] > 1), key=lambda name: (-different[name], name))
    if not names:
        return None
    shown = names[:_AXES]
    ends = [name.rpartition(".")[2] for name in shown]
    gap = min(_GAP, (_WIDTH - _LEFT - _RIGHT) / len(shown))
    most = int(gap / _LETTER)
    axes = []
    for place, (name, end) in enumerate(zip(shown, ends, strict=True)):
        title = end if ends.count(end) == 1 else name  # Names that end alike are told in full.
        short = title if len(title) <= most else f"…{title[1 - most :]}"
        axes.append(_axis(name, short, _LEFT + place * gap, columns[name]))
    axes.append(_axis(metric, metric, _LEFT + len(axes) * gap, values, digits=3, upside_down=lower_is_better))
    return ParallelPlot(tuple(axes), axes[-1].x + _RIGHT, _TOP, _TOP + _HEIGHT, max(0, len(names) - _AXES))


def _is_number(value: Any) -> bool:
    """Tell whether a value has a place on a scale: no infinity, and no integer that is larger than any float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _axis(
    name: str, title: str, x: float, values: Sequence[Any], *, digits: int = 4, upside_down: bool = False
) -> Axis:
    """Return an axis: numbers are placed by size, or by magnitude over two decades, other values by name.

    Of many numbers with a few other values, these stand below.
    """
    logarithmic = False
    numbers = [value for value in values if _is_number(value)]
    others = sorted({plain(value) for value in values if not _is_number(value)})
    below = _BELOW * len(others)
    if numbers and (not others or (len({*numbers}) > _NAMED and below < _HEIGHT / 3)):
        texts = [f"{value:.{digits}g}" if _is_number(value) else plain(value) for value in values]
        logarithmic = min(numbers) > 0 and max(numbers) / min(numbers) > 100
        start, end = (_TOP, _TOP + _HEIGHT) if upside_down else (_TOP + _HEIGHT - below, _TOP)
        scale = Scale(float(min(numbers)), float(max(numbers)), start, end, logarithmic)
        heights = [
            scale(float(value)) if _is_number(value) else _TOP + _HEIGHT - _BELOW * others.index(plain(value))
            for value in values
        ]
    else:
        texts = [plain(value) for value in values]
        sizes = {text: value for text, value in zip(texts, values, strict=True) if _is_number(value)}
        # From the top: texts by name, numbers from the largest, and what is not there.
        names = sorted({*texts} - {*sizes, _ABSENT}) + sorted(sizes, key=lambda text: -sizes[text])
        names = [*([_ABSENT] if _ABSENT in texts else []), *reversed(names)]
        places = [float(names.index(text)) for text in texts]
        scale = Scale(min(places), max(places), _TOP + _HEIGHT, _TOP)
        heights = [scale(place) for place in places]
    # The ends are always written, the others where there is room.
    inner = sorted(zip(heights, texts, strict=True))
    labels: list[tuple[float, str]] = []
    for height, text in (inner[0], inner[-1], *inner):
        if all(abs(height - other) >= _APART for other, _ in labels):
            labels.append((height, shorten(text, _MOST)))
    return Axis(name, title, x, tuple(heights), tuple(labels), logarithmic)
