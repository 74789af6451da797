"""Draw a difference with its limits as a small SVG that takes the page's colours, light or dark."""

from pixmill.compare.comparison import with_sign
from pixmill.metrics.significance import Difference

_WIDTH, _HEIGHT = 180, 20
"""Units of the drawing of an interval."""


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
        return 6 + share * (_WIDTH - 12)

    low, dot, high = across(difference.low), across(difference.difference), across(difference.high)
    middle = _HEIGHT / 2
    name = f"{with_sign(difference.difference)}, from {with_sign(difference.low)} to {with_sign(difference.high)}"
    shade = ""
    if margin:
        left, right = across(-margin), across(margin)
        shade = f'<rect class="margin" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{_HEIGHT}"/>'
    return (
        f'<svg class="interval {kind}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{shade}'
        f'<path class="zero" d="M{across(0):.1f} 0V{_HEIGHT}"/>'
        f'<path class="limits" d="M{low:.1f} {middle}H{max(high, low + 1):.1f}"/>'
        f'<circle cx="{dot:.1f}" cy="{middle}" r="4"/></svg>'
    )
