"""Draw differences and curves of both sides as small SVGs that take the page's colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from pixmill.compare.comparison import signed
from pixmill.metrics.comparison import Difference

__all__ = ["interval_svg", "lines_svg"]

_WIDTH, _HEIGHT = 360, 240
_LEFT, _END, _TOP, _BOTTOM = 46, 22, 12, 42
"""Margins of a chart with axes: for the labels left and below."""

_BAR_WIDTH, _BAR_HEIGHT = 180, 20
"""Units of the drawing of an interval."""

_TICKS = 4
"""Steps of an axis, about."""

Point = tuple[float, float]


def interval_svg(difference: Difference, extent: float, *, kind: str = "", margin: float = 0.0) -> str:
    """Return an ``<svg>`` element: a dot for the difference, a bar for its limits, and a line at 0.

    Args:
        difference: What is drawn.
        extent: The scale runs from minus this to plus this; what lies beyond is drawn at the edge.
        kind: ``good`` or ``bad``, which colours it.
        margin: Shade what lies within ± this.
    """

    def across(value: float) -> float:
        share = 0.5 + max(-1.0, min(1.0, value / extent if extent else 0.0)) / 2
        return 6 + share * (_BAR_WIDTH - 12)

    low, dot, high = across(difference.low), across(difference.difference), across(difference.high)
    middle = _BAR_HEIGHT / 2
    name = f"{signed(difference.difference)}, from {signed(difference.low)} to {signed(difference.high)}"
    shade = ""
    if margin:
        left, right = across(-margin), across(margin)
        shade = f'<rect class="margin" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{_BAR_HEIGHT}"/>'
    return (
        f'<svg class="interval {kind}" viewBox="0 0 {_BAR_WIDTH} {_BAR_HEIGHT}" role="img" aria-label="{name}">{shade}'
        f'<path class="zero" d="M{across(0):.1f} 0V{_BAR_HEIGHT}"/>'
        f'<path class="limits" d="M{low:.1f} {middle}H{max(high, low + 1):.1f}"/>'
        f'<circle cx="{dot:.1f}" cy="{middle}" r="4"/></svg>'
    )


def lines_svg(
    lines: Mapping[str, Sequence[Point]],
    *,
    name: str,
    x_label: str,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return an ``<svg>`` element with one line per series; the page styles them by their place.

    Args:
        lines: Points of each series, at least one point in all.
        name: What is drawn, for those who cannot see it.
        x_label: Label of the x axis.
        weights: Weight of each point, from 0 to 1, as the area of its dot; both axes then run from 0 to 100 %, with a
            dotted diagonal. Default: the axes run as far as the points reach.
    """
    shares = weights is not None
    points = [point for line in lines.values() for point in line]
    x_ticks = [0, 0.25, 0.5, 0.75, 1] if shares else _ticks([x for x, _ in points])
    y_ticks = [0, 0.25, 0.5, 0.75, 1] if shares else _ticks([y for _, y in points])

    def at(point: Point) -> Point:
        x = (point[0] - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = (point[1] - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return _LEFT + x * (_WIDTH - _LEFT - _END), _HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - _TOP)

    def path(line: Sequence[Point]) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in map(at, line))

    def number(value: float) -> str:
        return f"{100 * value:g} %" if shares else f"{value:.4g}"

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(name)}">']
    for tick in y_ticks:
        _, y = at((x_ticks[0], tick))
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _END}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in x_ticks:
        x, _ = at((tick, y_ticks[0]))
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="middle">{number(tick)}</text>')
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _END) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    if shares:
        parts.append(f'<path class="guide" d="{path([(0, 0), (1, 1)])}"/>')
    for place, (title, line) in enumerate(lines.items()):
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 5 * size**0.5:.1f}"/>'
            for (x, y), size in zip(map(at, line), weights[title] if weights else (), strict=False)
        )
        drawn = f'<path d="{path(line)}h0"/>' if line else ""  # A round cap shows a single point.
        parts.append(f'<g class="line l{place}"><title>{escape(title)}</title>{drawn}{dots}</g>')
    return "".join([*parts, "</svg>"])


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers at equal distances that enclose all values."""
    low, high = min(values), max(values)
    if high == low:
        low, high = low - (abs(low) / 2 or 0.5), high + (abs(low) / 2 or 0.5)
    power = 10 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _TICKS)
    return [step * place for place in range(math.floor(low / step), math.ceil(high / step) + 1)]
