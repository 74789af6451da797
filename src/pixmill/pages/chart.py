"""Draw charts as small SVGs that take the page's colours, light or dark; the same input gives the same bytes."""

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

_WIDTH, _HEIGHT, _RIGHT, _TOP, _BOTTOM = 360, 240, 22, 12, 42
"""Units of a chart of lines, which a page scales, and its margins; that on the left depends on the labels."""

_STEPS = 4
"""Steps of an axis, about."""

_BARS, _HIGH, _SIDE, _ABOVE, _BELOW = 320, 128, 4, 16, 20
"""Units of a histogram, and its margins: above for the marks' words, below for the scale's."""

_APART = 36.0
"""The least distance between the words of the scale; those that would be nearer are left out."""

_LONG, _THIN = 180, 20
"""Units of an interval."""

READABLE = 30
"""Up to this many classes a confusion matrix is a table of counts, above that a list."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand in a drawing; those beyond an end stand at it.

    >>> Scale(0, 10, 100, 200)(5), Scale(1, 100, 0, 10, logarithmic=True)(10), Scale(0, 1, 0, 10)(7)
    (150.0, 5.0, 10.0)

    Args:
        low: The value at the start.
        high: The value at the end; if it is the same, all values stand in the middle.
        start: The place of the lowest value, in units of the drawing.
        end: The place of the highest value.
        logarithmic: Whether equal ratios, not differences, are equally long.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return where a value stands."""
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
        lines: Points of each series. A page colours the series by their place.
        name: What the chart shows, for screen readers.
        x_label: Label of the x axis.
        y_label: Label of the y axis; default: none.
        y_low: Both axes are shares: x from 0 to 1, y from this to 1; lower points are drawn at this. Default: the axes
            run as far as the points reach, of which there must be one, the x axis in whole numbers.
        y_end: A value that the y axis includes.
        x_ticks: Values of a logarithmic x axis, ascending; default: it is linear.
        band: Points of the x axis with the lower and upper limit of what is shaded.
        rule: Where on the x axis a vertical line stands.
        dots: Weight of each point, from 0 to 1, drawn as the area of a dot, together with a diagonal.
        marks: A point of some series to draw as a large dot.
    """
    left, right, floor = 64 if y_label else 46, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    is_logarithmic = bool(x_ticks)
    if y_low is None:
        x_ticks = x_ticks or _ticks([x for line in lines.values() for x, _ in line], least=1)
        reached = [y for line in lines.values() for _, y in line] + [y for _, *limits in band for y in limits]
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
        circles = [_circle(*point, 2 + 5 * weight**0.5) for point, weight in zip(at(line), weights, strict=False)]
        if marks and title in marks:
            circles += [_circle(*point, 6) for point in at([marks[title]])]
        drawn = _path(at(line), end="h0") if line else ""  # A round cap shows a single point.
        parts.append(_group(title, [drawn, *circles], f"line l{place}"))
    return _svg(name, _WIDTH, _HEIGHT, parts)


def reliability_svg(tables: Mapping[str, pd.DataFrame], *, name: str) -> Markup:
    """Return accuracy by confidence; the more images, the larger a dot.

    Args:
        tables: Rows of :func:`pixmill.metrics.confidence.reliability` by series.
        name: What the chart shows, for screen readers.
    """
    lines = {key: list(zip(rows["confidence"], rows["accuracy"], strict=True)) for key, rows in tables.items()}
    dots = {key: list(rows["n"] / rows["n"].max()) for key, rows in tables.items()}
    return lines_svg(lines, name=name, x_label="confidence", y_label="accuracy", y_low=0.0, dots=dots)


def coverage_svg(tables: Mapping[str, pd.DataFrame], marks: Mapping[str, Point | None], *, name: str) -> Markup:
    """Return the accuracy of the answers by the share of images that are answered.

    Args:
        tables: Rows of :func:`pixmill.metrics.confidence.coverage_curve` by series.
        marks: Coverage and accuracy at the threshold of each series; ``None``: it has none.
        name: What the chart shows, for screen readers.
    """
    lowest = min(float(rows["accuracy"].min()) for rows in tables.values())
    return lines_svg(
        {key: list(zip(rows["coverage"], rows["accuracy"], strict=True)) for key, rows in tables.items()},
        name=name,
        x_label="coverage (images answered)",
        y_label="accuracy of the answers",
        # A quarter of the axis is a round number.
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

    Every bin is equally wide on the page, whatever its edges are, so that the caller's edges choose the scale. A bin
    that is not empty can always be seen. The page's frame colours the series by their place.

    Args:
        edges: The edges of the bins, ascending, one more than there are bins.
        counts: The counts of each bin by series, which are stacked in this order.
        ticks: Values to write below, ascending; those beyond the edges are left out.
        marks: Values to draw a line at, such as thresholds.
        name: What is drawn, for those who cannot see it.
    """
    bins, floor = len(edges) - 1, _HIGH - _BELOW
    across = Scale(0, bins, _SIDE, _BARS - _SIDE)
    highest = max((sum(values) for values in zip(*counts.values(), strict=True)), default=0)
    parts = []
    for place in range(bins):
        top, title, boxes = float(floor), [f"{_number(edges[place])} to {_number(edges[place + 1])}"], []
        for series, (label, values) in enumerate(counts.items()):
            if values[place]:
                height = max(1.0, (floor - _ABOVE) * values[place] / highest)
                top -= height
                title.append(f"{values[place]:,} {label}")
                width = max(1.0, across(place + 1) - across(place) - 1)
                boxes.append(_rect(across(place), top, width, height, f"s{series}"))
        if boxes:
            parts.append(_group(", ".join(title), boxes))
    parts.append(_path([(_SIDE, floor + 0.5), (_BARS - _SIDE, floor + 0.5)], "axis"))

    def at(values: Sequence[float]) -> list[tuple[float, str]]:
        places = np.interp(values, edges, range(bins + 1)).tolist()
        within = zip(values, places, strict=True)
        return [(across(place), _number(value)) for value, place in within if edges[0] <= value <= edges[-1]]

    parts += _label(at(ticks), _HIGH - 6, _BARS)
    for x, word in at(marks):
        parts.append(_path([(x, _ABOVE - 2), (x, floor)], "mark"))
        parts.append(_text(x, _ABOVE - 5, word, "mark", _anchor(x, _BARS)))
    return _svg(name, _BARS, _HIGH, parts)


def interval_svg(
    low: float, value: float, high: float, *, extent: float, name: str, kind: str = "", margin: float = 0.0
) -> Markup:
    """Return an ``<svg>`` element: a dot for a difference, a bar for its limits, and a line at 0.

    Args:
        low: The lower limit.
        value: The difference.
        high: The upper limit.
        extent: The scale runs from minus this to plus this; what lies beyond is drawn at the edge.
        name: What is drawn, for those who cannot see it.
        kind: ``good`` or ``bad``, which colours it.
        margin: Shade what lies within ± this.
    """
    across, middle = Scale(-extent, extent, 6, _LONG - 6), _THIN / 2
    left, right = across(low), max(across(high), across(low) + 1)
    shade = _rect(across(-margin), 0, across(margin) - across(-margin), _THIN, "margin") if margin else ""
    zero, limits = (
        _path([(across(0), 0), (across(0), _THIN)], "zero"),
        _path([(left, middle), (right, middle)], "limits"),
    )
    return _svg(name, _LONG, _THIN, [shade, zero, limits, _circle(across(value), middle, 4)], f"interval {kind}")


def shade(share: float) -> int:
    """Return the opacity of a table's cell in per cent: up to 45, so that its count stays readable, light or dark.

    Args:
        share: From 0 to 1; more counts as 1.
    """
    # The square root makes small shares visible.
    return round(45 * math.sqrt(min(1.0, share)))


def _svg(name: str, width: int, height: int, parts: Sequence[str], kind: str = "chart") -> Markup:
    size = f'width="{width}" viewBox="0 0 {width} {height}"'
    drawn = f'<svg class="{kind}" {size} role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    return Markup(drawn)  # noqa: S704 (every text in it is escaped)


def _group(title: str, parts: Sequence[str], kind: str = "") -> str:
    return f"<g{_class(kind)}><title>{escape(title)}</title>{''.join(parts)}</g>"


def _path(points: Sequence[Point], kind: str = "", end: str = "") -> str:
    return f'<path{_class(kind)} d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}{end}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect{_class(kind)} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _circle(x: float, y: float, radius: float, kind: str = "") -> str:
    return f'<circle{_class(kind)} cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle", *, turned: bool = False) -> str:
    """Return a text; one that is turned runs upwards, and so do its units."""
    turn = ' transform="rotate(-90)"' if turned else ""
    return f'<text{_class(kind)}{turn} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _label(places: Sequence[tuple[float, str]], y: float, width: float) -> Iterator[str]:
    """Yield the words below an axis, as many as do not touch."""
    last = -_APART
    for x, word in places:
        if x - last >= _APART:
            yield _text(x, y, word, "tick", _anchor(x, width))
            last = x


def _anchor(x: float, width: float) -> str:
    """Return where a word is held: at the sides it would be cut where it is centred."""
    return "start" if x < 16 else "end" if x > width - 16 else "middle"


def _number(value: float) -> str:
    """Return a number as short as it may be."""
    for least, size, letter in ((1_000_000, 1_000_000, "M"), (10_000, 1000, "k")):
        if value >= least:
            return f"{value / size:.3g} {letter}"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _ticks(values: Sequence[float], least: float = 0.0, end: float | None = None) -> list[float]:
    """Return round numbers at equal distances of ``least`` or more that enclose all values, and do not pass an end."""
    low, high = min(values), max(values)
    if high == low:
        half = abs(low) / 2 or 0.5
        low, high = low if low == 0 == end else low - half, high if low == end != 0 else high + half
    power = 10 ** math.floor(math.log10((high - low) / _STEPS))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _STEPS)
    step = max(step, least)
    first, last = math.floor(round(low / step, 9)), math.ceil(round(high / step, 9))
    return [step * place for place in range(first, last + 1)]
