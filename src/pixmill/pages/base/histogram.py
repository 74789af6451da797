"""Draw a histogram as a small SVG that takes the page's colours, light or dark."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 320, 128
"""Units of the drawing; a page scales it."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 16, 20
"""Margins: above for the marks' words, below for the scale's."""

_APART = 36.0
"""The least distance between the words of the scale; those that would be nearer are left out."""


def histogram_svg(
    edges: Sequence[float],
    counts: Mapping[str, Sequence[int]],
    *,
    ticks: Sequence[float] = (),
    marks: Sequence[float] = (),
    name: str,
) -> str:
    """Return an ``<svg>`` element whose bytes follow from its content alone.

    Every bin is equally wide on the page, whatever its edges are, so that the caller's edges choose the scale. A bin
    that is not empty can always be seen. The page's frame colours the series by their place.

    Args:
        edges: The edges of the bins, ascending, one more than there are bins.
        counts: The counts of each bin by series, which are stacked in this order.
        ticks: Values to write below, ascending; those beyond the edges are left out.
        marks: Values to draw a line at, such as thresholds.
        name: What is drawn, for those who cannot see it.
    """
    bins = len(edges) - 1
    highest = max((sum(values) for values in zip(*counts.values(), strict=True)), default=0)
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(name)}">']
    floor = _HEIGHT - _BOTTOM
    for place in range(bins):
        left, right = _across(place, bins), _across(place + 1, bins)
        top, title = float(floor), [f"{_number(edges[place])} to {_number(edges[place + 1])}"]
        boxes = []
        for series_place, (label, values) in enumerate(counts.items()):
            if not values[place]:
                continue
            height = max(1.0, (floor - _TOP) * values[place] / highest)
            top -= height
            title.append(f"{values[place]:,} {label}")
            boxes.append(
                f'<rect class="s{series_place}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(1.0, right - left - 1):.1f}" height="{height:.1f}"/>'
            )
        if boxes:
            parts.append(f"<g><title>{escape(', '.join(title))}</title>{''.join(boxes)}</g>")
    parts.append(f'<path class="axis" d="M{_LEFT} {floor}.5H{_WIDTH - _RIGHT}"/>')
    last = -_APART
    for value in ticks:
        x = _place(value, edges)
        if edges[0] <= value <= edges[-1] and x - last >= _APART:
            parts.append(_text(x, _HEIGHT - 6, _number(value), "tick"))
            last = x
    for value in marks:
        if edges[0] <= value <= edges[-1]:
            x = _place(value, edges)
            parts.append(f'<path class="mark" d="M{x:.1f} {_TOP - 2}V{floor}"/>')
            parts.append(_text(x, _TOP - 5, _number(value), "mark"))
    return "".join([*parts, "</svg>"])


def _across(place: float, bins: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * place / bins


def _place(value: float, edges: Sequence[float]) -> float:
    """Return where a value stands, evenly between the edges of its bin."""
    bins = len(edges) - 1
    place = next((place for place in range(bins) if value < edges[place + 1]), bins - 1)
    low, high = edges[place], edges[place + 1]
    return _across(place + (value - low) / (high - low), bins)


def _text(x: float, y: float, text: str, kind: str) -> str:
    # At the sides a word would be cut where it is centred.
    anchor = "start" if x < 16 else "end" if x > _WIDTH - 16 else "middle"
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    """Return a number as short as it may be."""
    for least, size, letter in ((1_000_000, 1_000_000, "M"), (10_000, 1000, "k")):
        if value >= least:
            return f"{value / size:.3g} {letter}"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
