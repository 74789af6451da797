"""Draw curves as a small SVG that takes the page's colours, light or dark."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 360, 240
"""Units of the drawing; a page scales it."""

_RIGHT, _TOP, _BOTTOM = 22, 12, 42
"""Margins; on the left it depends on the labels."""

_TICKS = 4
"""Steps of an axis, about."""

Point = tuple[float, float]


def lines_svg(
    lines: Mapping[str, Sequence[Point]],
    *,
    name: str,
    x_label: str,
    y_label: str = "",
    y_low: float | None = None,
    dots: Mapping[str, Sequence[float]] | None = None,
    mark: Point | None = None,
) -> str:
    """Return an ``<svg>`` element with one line per series; the same input gives the same bytes.

    Args:
        lines: Points of each series. A page colours the series by their place.
        name: What the chart shows, for screen readers.
        x_label: Label of the x axis.
        y_label: Label of the y axis; default: none.
        y_low: Both axes are shares: x from 0 to 1, y from this to 1; lower points are drawn at this. Default: the axes
            run as far as the points reach, of which there must be one.
        dots: Weight of each point, from 0 to 1, drawn as the area of a dot, together with a diagonal.
        mark: A point to ring.
    """
    left = 64 if y_label else 46
    points = [point for line in lines.values() for point in line]
    x_ticks = _ticks([x for x, _ in points]) if y_low is None else [share / 4 for share in range(5)]
    y_ticks = _ticks([y for _, y in points]) if y_low is None else [y_low + share * (1 - y_low) for share in x_ticks]

    def at(point: Point) -> Point:
        x = (point[0] - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        y = max(0.0, (point[1] - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]))
        return left + x * (_WIDTH - left - _RIGHT), _HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - _TOP)

    def path(line: Sequence[Point]) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in map(at, line))

    def number(value: float) -> str:
        return f"{value:.4g}" if y_low is None else f"{100 * value:g} %"

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(name)}">']
    for tick in y_ticks:
        _, y = at((x_ticks[0], tick))
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in x_ticks:
        x, _ = at((tick, y_ticks[0]))
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="middle">{number(tick)}</text>')
    across, up = (left + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    if y_label:
        turn = f"translate(13 {up:.1f}) rotate(-90)"
        parts.append(f'<text transform="{turn}" text-anchor="middle">{escape(y_label)}</text>')
    if dots:
        parts.append(f'<path class="guide" d="{path([(x_ticks[0], y_ticks[0]), (x_ticks[-1], y_ticks[-1])])}"/>')
    for place, (title, line) in enumerate(lines.items()):
        weights = dots[title] if dots else ()
        rings = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 5 * weight**0.5:.1f}"/>'
            for (x, y), weight in zip(map(at, line), weights, strict=False)
        )
        drawn = f'<path d="{path(line)}h0"/>' if line else ""  # A round cap shows a single point.
        parts.append(f'<g class="line l{place}"><title>{escape(title)}</title>{drawn}{rings}</g>')
    if mark is not None:
        x, y = at(mark)
        parts.append(f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7"/>')
    return "".join([*parts, "</svg>"])


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers at equal distances that enclose all values."""
    low, high = min(values), max(values)
    if high == low:
        low, high = low - (abs(low) / 2 or 0.5), high + (abs(low) / 2 or 0.5)
    power = 10 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= _TICKS)
    return [step * place for place in range(math.floor(low / step), math.ceil(high / step) + 1)]
