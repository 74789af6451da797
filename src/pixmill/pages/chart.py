"""Charts as small SVGs in the colours of the page; output is deterministic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 360
_HEIGHT = 240
_RIGHT = 22
_TOP = 12
_BOTTOM = 42
"""Size of a line chart in SVG units, and its margins; the left one depends on the labels."""

_AXIS_STEPS = 4
"""Approximate number of steps of an axis."""

_BARS_WIDTH = 320
_BARS_HEIGHT = 128
_BARS_SIDE = 4
_BARS_TOP = 16
_BARS_BOTTOM = 20
"""Size of a histogram in SVG units, and its margins, with room for labels."""

_MIN_LABEL_DISTANCE = 36.0
"""Minimum distance between tick labels; closer ones are left out."""

_INTERVAL_WIDTH = 180
_INTERVAL_HEIGHT = 20

MAX_MATRIX_CLASSES = 30
"""Maximum number of classes for which a confusion matrix is shown as a table instead of a list."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Map values to positions in a drawing, clipped to its ends.

    >>> Scale(0, 10, 100, 200)(5), Scale(1, 100, 0, 10, logarithmic=True)(10), Scale(0, 1, 0, 10)(7)
    (150.0, 5.0, 10.0)

    Args:
        low: Value at the start.
        high: Value at the end; if equal to ``low``, all values are mapped to the middle.
        start: Position of the lowest value in SVG units.
        end: Position of the highest value.
        logarithmic: Use a logarithmic scale.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        low, high, at = map(math.log if self.logarithmic else float, (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + max(0.0, min(1.0, share)) * (self.end - self.start)


@dataclass(frozen=True)
class _Axis:
    """An axis of a line chart.

    Args:
        label: Its label; empty for none.
        ticks: Values from its start to its end.
        words: Returns the text of a tick.
        logarithmic: Use a logarithmic scale.
    """

    label: str
    ticks: Sequence[float]
    words: Callable[[float], str]
    logarithmic: bool = False

    def scale(self, start: float, end: float) -> Scale:
        """Return its scale between two positions."""
        return Scale(self.ticks[0], self.ticks[-1], start, end, logarithmic=self.logarithmic)


def _share_axis(label: str, low: float = 0.0) -> _Axis:
    """Return an axis in percent, up to 100 %."""
    ticks = [low + quarter / 4 * (1 - low) for quarter in range(5)]
    return _Axis(label, ticks, lambda value: f"{100 * value:g} %")


def lines_svg(
    lines: Mapping[str, Sequence[Point]],
    *,
    name: str,
    x_label: str,
    y_end: float | None = None,
    x_ticks: Sequence[float] = (),
    x_words: Callable[[float], str] | None = None,
    y_words: Callable[[float], str] | None = None,
    band: Sequence[tuple[float, float, float]] = (),
    rule: float | None = None,
    dots: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Markup:
    """Return an ``<svg>`` element with one line per series; the axes span its points.

    Args:
        lines: Points of each series, at least one in all. The CSS colours series by position.
        name: Title for screen readers.
        x_label: Label of the x axis, which has whole numbers.
        y_end: Value that the y axis includes.
        x_ticks: Ticks of a logarithmic x axis, ascending; default: a linear axis.
        x_words: Returns the text of a tick of a linear x axis; default: a number in short form.
        y_words: As ``x_words``, of the y axis, which has whole numbers then.
        band: Shaded band, as tuples of x, lower and upper limit.
        rule: Position of a vertical line on the x axis.
        dots: Weights of the points from 0 to 1, drawn as dot areas.
    """
    points = [point for line in lines.values() for point in line]
    reached = [y for _, y in points]
    for _, *limits in band:
        reached += limits
    if y_end is not None:
        reached.append(y_end)
    x_axis = _Axis(x_label, _ticks([x for x, _ in points], least=1), x_words or _number)
    if x_ticks:
        x_axis = _Axis(x_label, x_ticks, "{:,}".format, logarithmic=True)
    y_ticks = _ticks(reached, least=1 if y_words else 0, end=y_end)
    chart = _LineChart(x_axis, _Axis("", y_ticks, y_words or _number))
    if band:
        chart.draw_band(band)
    if rule is not None:
        chart.draw_rule(rule)
    return chart.finish(name, lines, dots)


def scatter_svg(
    values: Sequence[Any], heights: Sequence[float], *, name: str, marked: int | None = None
) -> Markup:
    """Return an ``<svg>`` element with a dot for each pair; one dot may be large.

    Args:
        values: What stands side by side on the x axis, ascending: numbers, or texts.
        heights: Positions on the y axis.
        name: Title for screen readers.
        marked: Index of the large dot; default: none is.
    """
    places = sorted(set(values))
    words = [value if isinstance(value, str) else _number(value) for value in places]
    x_axis = _Axis("", range(len(places)), lambda place: words[int(place)])
    chart = _LineChart(x_axis, _Axis("", _ticks(heights), _number))
    points = [(places.index(value), y) for value, y in zip(values, heights, strict=True)]
    chart.draw_dots(points)
    marks = {} if marked is None else {"": points[marked]}
    return chart.finish(name, {"": []}, marks=marks)


class _LineChart:
    """A line chart, drawn from back to front: axes, guides, lines."""

    def __init__(self, x_axis: _Axis, y_axis: _Axis) -> None:
        self._left = 64 if y_axis.label else 46
        self._right = _WIDTH - _RIGHT
        self._floor = _HEIGHT - _BOTTOM
        self._across = x_axis.scale(self._left, self._right)
        self._up = y_axis.scale(self._floor, _TOP)
        self._parts: list[str] = []
        for tick in y_axis.ticks:
            y = self._up(tick)
            self._parts.append(_path([(self._left, y), (self._right, y)], "grid"))
            self._parts.append(_text(self._left - 6, y + 4, y_axis.words(tick), anchor="end"))
        ticks = [(self._across(tick), x_axis.words(tick)) for tick in x_axis.ticks]
        self._parts += _label(ticks, _HEIGHT - 24, _WIDTH)
        self._parts.append(_text((self._left + self._right) / 2, _HEIGHT - 6, x_axis.label))
        if y_axis.label:
            middle = (_TOP + self._floor) / 2
            self._parts.append(_text(-middle, 13, y_axis.label, turned=True))

    def draw_diagonal(self) -> None:
        """Draw the diagonal on which both axes are equal."""
        self._parts.append(_path([(self._left, self._floor), (self._right, _TOP)], "guide"))

    def draw_band(self, band: Sequence[tuple[float, float, float]]) -> None:
        """Draw an area, given as tuples of x, lower and upper limit."""
        there = [(x, high) for x, _, high in band]
        back = [(x, low) for x, low, _ in reversed(band)]
        self._parts.append(_path(self._at(there + back), "band", "Z"))

    def draw_rule(self, x: float) -> None:
        """Draw a vertical line."""
        place = self._across(x)
        self._parts.append(_path([(place, _TOP), (place, self._floor)], "rule"))

    def draw_dots(self, points: Sequence[Point]) -> None:
        """Draw a dot at each point."""
        dots = [_circle(x, y, 3) for x, y in self._at(points)]
        self._parts.append(_group("", dots, "line"))

    def finish(
        self,
        name: str,
        lines: Mapping[str, Sequence[Point]],
        dots: Mapping[str, Sequence[float]] = MappingProxyType({}),
        marks: Mapping[str, Point] = MappingProxyType({}),
    ) -> Markup:
        """Draw the lines, and return the chart.

        Args:
            name: Title for screen readers.
            lines: Points of each series.
            dots: Weights of the points from 0 to 1, drawn as dot areas, by series.
            marks: Points to highlight with a large dot, by series.
        """
        for place, (title, line) in enumerate(lines.items()):
            drawn = []
            if line:
                # The round cap makes a single point visible.
                drawn.append(_path(self._at(line), end="h0"))
            for (x, y), weight in zip(self._at(line), dots.get(title, ()), strict=False):
                drawn.append(_circle(x, y, 2 + 5 * weight**0.5))
            if title in marks:
                ((x, y),) = self._at([marks[title]])
                drawn.append(_circle(x, y, 6))
            self._parts.append(_group(title, drawn, f"line l{place}"))
        return _svg(name, _WIDTH, _HEIGHT, self._parts)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(self._across(x), self._up(y)) for x, y in points]


def reliability_svg(tables: Mapping[str, pd.DataFrame], *, name: str) -> Markup:
    """Return accuracy by confidence, with dots sized by the number of images.

    Args:
        tables: Results of :func:`pixmill.metrics.confidence.reliability` by series.
        name: Title for screen readers.
    """
    lines = {
        key: list(zip(rows["confidence"], rows["accuracy"], strict=True))
        for key, rows in tables.items()
    }
    dots = {key: list(rows["n"] / rows["n"].max()) for key, rows in tables.items()}
    chart = _LineChart(_share_axis("confidence"), _share_axis("accuracy"))
    chart.draw_diagonal()
    return chart.finish(name, lines, dots)


def coverage_svg(
    tables: Mapping[str, pd.DataFrame], marks: Mapping[str, Point | None], *, name: str
) -> Markup:
    """Return covered accuracy by coverage.

    Args:
        tables: Results of :func:`pixmill.metrics.confidence.coverage_curve` by series.
        marks: Coverage and covered accuracy at the threshold by series; ``None`` without a
            threshold.
        name: Title for screen readers.
    """
    lowest = min(float(rows["accuracy"].min()) for rows in tables.values())
    # A quarter of the axis is a round number.
    low = max(0.0, math.floor(lowest * 5 - 0.25) / 5)
    chart = _LineChart(
        _share_axis("coverage (images answered)"), _share_axis("covered accuracy", low)
    )
    lines = {
        key: list(zip(rows["coverage"], rows["accuracy"], strict=True))
        for key, rows in tables.items()
    }
    known = {key: mark for key, mark in marks.items() if mark is not None}
    return chart.finish(name, lines, marks=known)


def histogram_svg(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[int]],
    *,
    ticks: Sequence[float] = (),
    marks: Sequence[float] = (),
    name: str,
) -> Markup:
    """Return an ``<svg>`` element with stacked bars.

    All bins have the same width, so the edges define the scale. Bars of non-empty bins are always
    visible.

    Args:
        edges: Edges of the bins, ascending.
        counts: Counts per bin by series, stacked in this order.
        ticks: Labelled values of the x axis, ascending; values outside the edges are ignored.
        marks: Values at which to draw a vertical line, such as thresholds.
        name: Title for screen readers.
    """
    bins = len(edges) - 1
    floor = _BARS_HEIGHT - _BARS_BOTTOM
    across = Scale(0, bins, _BARS_SIDE, _BARS_WIDTH - _BARS_SIDE)
    highest = max((sum(values) for values in zip(*counts.values(), strict=True)), default=0)
    parts = []
    for place in range(bins):
        top = float(floor)
        title = [f"{_number(edges[place])} to {_number(edges[place + 1])}"]
        boxes = []
        for series, (label, values) in enumerate(counts.items()):
            if values[place]:
                height = max(1.0, (floor - _BARS_TOP) * values[place] / highest)
                top -= height
                title.append(f"{values[place]:,} {label}")
                width = max(1.0, across(place + 1) - across(place) - 1)
                boxes.append(_rect(across(place), top, width, height, f"s{series}"))
        if boxes:
            parts.append(_group(", ".join(title), boxes))
    parts.append(
        _path([(_BARS_SIDE, floor + 0.5), (_BARS_WIDTH - _BARS_SIDE, floor + 0.5)], "axis")
    )

    def at(values: Sequence[float]) -> list[tuple[float, str]]:
        places = np.interp(values, edges, range(bins + 1)).tolist()
        within = zip(values, places, strict=True)
        return [
            (across(place), _number(value))
            for value, place in within
            if edges[0] <= value <= edges[-1]
        ]

    parts += _label(at(ticks), _BARS_HEIGHT - 6, _BARS_WIDTH)
    for x, word in at(marks):
        parts.append(_path([(x, _BARS_TOP - 2), (x, floor)], "mark"))
        parts.append(_text(x, _BARS_TOP - 5, word, "mark", _anchor(x, _BARS_WIDTH)))
    return _svg(name, _BARS_WIDTH, _BARS_HEIGHT, parts)


def interval_svg(
    low: float,
    value: float,
    high: float,
    *,
    extent: float,
    name: str,
    kind: str = "",
    margin: float = 0.0,
) -> Markup:
    """Return an ``<svg>`` element that shows a difference with its interval and a line at 0.

    Args:
        low: Lower limit.
        value: The difference.
        high: Upper limit.
        extent: The scale runs from ``-extent`` to ``extent``; values outside are drawn at the edge.
        name: Title for screen readers.
        kind: ``good`` or ``bad``, for the colour.
        margin: Half-width of a shaded region around 0.
    """
    across = Scale(-extent, extent, 6, _INTERVAL_WIDTH - 6)
    middle = _INTERVAL_HEIGHT / 2
    left = across(low)
    right = max(across(high), across(low) + 1)
    shade = (
        _rect(across(-margin), 0, across(margin) - across(-margin), _INTERVAL_HEIGHT, "margin")
        if margin
        else ""
    )
    zero = _path([(across(0), 0), (across(0), _INTERVAL_HEIGHT)], "zero")
    limits = _path([(left, middle), (right, middle)], "limits")
    return _svg(
        name,
        _INTERVAL_WIDTH,
        _INTERVAL_HEIGHT,
        [shade, zero, limits, _circle(across(value), middle, 4)],
        f"interval {kind}",
    )


def shade(share: float) -> int:
    """Return the opacity of a table cell in percent, at most 45 to keep the text readable.

    Args:
        share: Share from 0 to 1; larger values count as 1.
    """
    # The square root makes small shares visible.
    return round(45 * math.sqrt(min(1.0, share)))


def _svg(name: str, width: int, height: int, parts: Sequence[str], kind: str = "chart") -> Markup:
    size = f'width="{width}" viewBox="0 0 {width} {height}"'
    drawn = (
        f'<svg class="{kind}" {size} role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    )
    return Markup(drawn)  # noqa: S704 (all texts are escaped)


def _group(title: str, parts: Sequence[str], kind: str = "") -> str:
    return f"<g{_class(kind)}><title>{escape(title)}</title>{''.join(parts)}</g>"


def _path(points: Sequence[Point], kind: str = "", end: str = "") -> str:
    return f'<path{_class(kind)} d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}{end}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect{_class(kind)} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )


def _circle(x: float, y: float, radius: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def _text(
    x: float, y: float, text: str, kind: str = "", anchor: str = "middle", *, turned: bool = False
) -> str:
    """Return a text; if ``turned``, it runs upwards in a rotated coordinate system."""
    turn = ' transform="rotate(-90)"' if turned else ""
    return (
        f'<text{_class(kind)}{turn} x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _label(places: Sequence[tuple[float, str]], y: float, width: float) -> Iterator[str]:
    """Yield tick labels, leaving out those that would overlap."""
    last = -_MIN_LABEL_DISTANCE
    for x, word in places:
        if x - last >= _MIN_LABEL_DISTANCE:
            yield _text(x, y, word, "tick", _anchor(x, width))
            last = x


def _anchor(x: float, width: float) -> str:
    """Return the text anchor at which a label is not cut off at the sides."""
    return "start" if x < 16 else "end" if x > width - 16 else "middle"


def _number(value: float) -> str:
    """Return a number in short form, such as ``12 k``."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:.3g} M"
    if value >= 10_000:
        return f"{value / 1000:.3g} k"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _ticks(values: Sequence[float], least: float = 0.0, end: float | None = None) -> list[float]:
    """Return evenly spaced round numbers that enclose all values.

    Args:
        values: The values, at least one.
        least: Smallest distance between two numbers.
        end: Limit of the axis, beyond which equal values do not widen it.
    """
    low = min(values)
    high = max(values)
    if high == low:
        half = abs(low) / 2 or 0.5
        if low != end or end == 0:
            high += half
        if low != end or end != 0:
            low -= half
    power = 10 ** math.floor(math.log10((high - low) / _AXIS_STEPS))
    step = next(
        power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _AXIS_STEPS
    )
    step = max(step, least)
    first = math.floor(round(low / step, 9))
    last = math.ceil(round(high / step, 9))
    return [step * place for place in range(first, last + 1)]
