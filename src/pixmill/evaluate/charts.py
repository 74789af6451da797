"""Draw curves as small SVGs that take the page's colours, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["curve_svg"]

_WIDTH, _HEIGHT = 360, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 26, 12, 42
"""Margins for the words of the axes; units of the drawing, which a page scales."""

Point = tuple[float, float]


def curve_svg(
    points: Sequence[Point],
    *,
    name: str,
    x_label: str,
    y_label: str,
    y_low: float = 0.0,
    dots: Sequence[float] = (),
    joined: bool = True,
    guide: tuple[Point, Point] | None = None,
    mark: Point | None = None,
) -> str:
    """Return an ``<svg>`` element of a curve over shares, whose bytes follow from its content alone.

    Args:
        points: The curve, both coordinates from 0 to 1, in the order in which they are joined.
        name: What is drawn, for those who cannot see it.
        x_label: What runs to the right.
        y_label: What runs up.
        y_low: Where the upright axis begins; it ends at 1.
        dots: The weight of each point, from 0 to 1, that is drawn as the area of a dot; default: no dots.
        joined: Whether a line joins the points.
        guide: A dashed line for comparison.
        mark: A point to be ringed.
    """
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(name)}">']
    for step in range(5):
        share = step / 4
        x, y = _at((share, y_low + share * (1 - y_low)), y_low)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_percent(y_low + share * (1 - y_low))}</text>'
        )
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{_percent(share)}</text>')
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    )
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text transform="translate(13 {middle:.1f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    if guide is not None:
        (x0, y0), (x1, y1) = (_at(point, y_low) for point in guide)
        parts.append(f'<path class="guide" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    places = [_at(point, y_low) for point in points]
    if places and joined:
        parts.append('<path class="line" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + '"/>')
    for (x, y), weight in zip(places, dots, strict=False):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 6 * weight**0.5:.1f}"/>')
    if mark is not None:
        x, y = _at(mark, y_low)
        parts.append(f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="7"/>')
    return "".join([*parts, "</svg>"])


def _at(point: Point, y_low: float) -> Point:
    """Return where a point lies in the drawing; what is below the axis lies on it."""
    share = max(0.0, (point[1] - y_low) / (1 - y_low))
    return (
        _LEFT + point[0] * (_WIDTH - _LEFT - _RIGHT),
        _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP),
    )


def _percent(value: float) -> str:
    return f"{100 * value:g} %"
