"""Charts as small SVGs in the colours of the page; output is deterministic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

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


def lines_svg(
    lines: Mapping[str, Sequence[Point]],
    *,
    name: str,
    x_label: str,
    y_label: str = "",
    y_low: float | None = None,
    y_end: float | None = None,
    x_ticks: Sequence[float] = (),
    band: Sequence[tuple[float, float, float]] = (),
    rule: float | None = None,
    dots: Mapping[str, Sequence[float]] | None = None,
    marks: Mapping[str, Point] | None = None,
) -> Markup:
    """Return an ``<svg>`` element with one line per series.

    Args:
        lines: Points of each series. The CSS colours series by position.
        name: Title for screen readers.
        x_label: Label of the x axis.
        y_label: Label of the y axis; default: none.
        y_low: Lower end of the y axis if both axes are shares (x from 0 to 1, y up to 1). Default:
            the axes span the points, at least one, and x has whole numbers.
        y_end: Value that the y axis includes.
        x_ticks: Ticks of a logarithmic x axis, ascending; default: a linear axis.
        band: Shaded band, as tuples of x, lower and upper limit.
        rule: Position of a vertical line on the x axis.
        dots: Weights of the points from 0 to 1, drawn as dot areas, together with a diagonal.
        marks: Points to highlight with a large dot, by series.
    """
    left = 64 if y_label else 46
    right = _WIDTH - _RIGHT
    floor = _HEIGHT - _BOTTOM
    is_logarithmic = bool(x_ticks)
    if y_low is None:
        x_ticks = x_ticks or _ticks([x for line in lines.values() for x, _ in line], least=1)
        reached = [y for line in lines.values() for _, y in line] + [
            y for _, *limits in band for y in limits
        ]
        y_ticks = _ticks(reached if y_end is None else [*reached, y_end], end=y_end)
    else:
        x_ticks = [share / 4 for share in range(5)]
        y_ticks = [y_low + share * (1 - y_low) for share in x_ticks]
    across = Scale(x_ticks[0], x_ticks[-1], left, right, logarithmic=is_logarithmic)
    up = Scale(y_ticks[0], y_ticks[-1], floor, _TOP)

    def at(points: Sequence[Point]) -> list[Point]:
        return [(across(x), up(y)) for x, y in points]

    def words(value: float) -> str:
        return _number(value) if y_low is None else f"{100 * value:g} %"

    def x_words(value: float) -> str:
        return f"{value:,}" if is_logarithmic else words(value)

    parts = []
    for tick in y_ticks:
        parts.append(_path([(left, up(tick)), (right, up(tick))], "grid"))
        parts.append(_text(left - 6, up(tick) + 4, words(tick), anchor="end"))
    parts += _label([(across(tick), x_words(tick)) for tick in x_ticks], _HEIGHT - 24, _WIDTH)
    parts.append(_text((left + right) / 2, _HEIGHT - 6, x_label))
    if y_label:
        parts.append(_text(-(_TOP + floor) / 2, 13, y_label, turned=True))
    if dots and y_low is not None:
        parts.append(_path([(left, floor), (right, _TOP)], "guide"))
    if band:
        limits = [(x, high) for x, _, high in band] + [(x, low) for x, low, _ in reversed(band)]
        parts.append(_path(at(limits), "band", "Z"))
    if rule is not None:
        parts.append(_path([(across(rule), _TOP), (across(rule), floor)], "rule"))
    for place, (title, line) in enumerate(lines.items()):
        weights = dots[title] if dots else ()
        circles = [
            _circle(*point, 2 + 5 * weight**0.5)
            for point, weight in zip(at(line), weights, strict=False)
        ]
        if marks and title in marks:
            circles += [_circle(*point, 6) for point in at([marks[title]])]
        drawn = (
            _path(at(line), end="h0") if line else ""
        )  # The round cap makes a single point visible.
        parts.append(_group(title, [drawn, *circles], f"line l{place}"))
    return _svg(name, _WIDTH, _HEIGHT, parts)


def reliability_svg(tables: Mapping[str, pd.DataFrame], *, name: str) -> Markup:
    """Return a reliability diagram: accuracy by confidence, with dots sized by the number of images.

    Args:
        tables: Results of :func:`pixmill.metrics.confidence.reliability` by series.
        name: Title for screen readers.
    """
    lines = {
        key: list(zip(rows["confidence"], rows["accuracy"], strict=True))
        for key, rows in tables.items()
    }
    dots = {key: list(rows["n"] / rows["n"].max()) for key, rows in tables.items()}
    return lines_svg(
        lines, name=name, x_label="confidence", y_label="accuracy", y_low=0.0, dots=dots
    )


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
    return lines_svg(
        {
            key: list(zip(rows["coverage"], rows["accuracy"], strict=True))
            for key, rows in tables.items()
        },
        name=name,
        x_label="coverage (images answered)",
        y_label="covered accuracy",
        # Chosen so that a quarter of the axis is a round number.
        y_low=max(0.0, math.floor(lowest * 5 - 0.25) / 5),
        marks={key: mark for key, mark in marks.items() if mark is not None},
    )


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


def _circle(x: float, y: float, radius: float, kind: str = "") -> str:
    return f'<circle{_class(kind)} cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


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
    for least, size, letter in ((1_000_000, 1_000_000, "M"), (10_000, 1000, "k")):
        if value >= least:
            return f"{value / size:.3g} {letter}"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _ticks(values: Sequence[float], least: float = 0.0, end: float | None = None) -> list[float]:
    """Return evenly spaced round numbers that enclose all values, at least ``least`` apart and not beyond ``end``."""
    low = min(values)
    high = max(values)
    if high == low:
        half = abs(low) / 2 or 0.5
        low, high = low if low == 0 == end else low - half, high if low == end != 0 else high + half
    power = 10 ** math.floor(math.log10((high - low) / _AXIS_STEPS))
    step = next(
        power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _AXIS_STEPS
    )
    step = max(step, least)
    first = math.floor(round(low / step, 9))
    last = math.ceil(round(high / step, 9))
    return [step * place for place in range(first, last + 1)]
