"""Turn matplotlib figures into bytes that follow from their content alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_png", "figure_svg"]


def figure_svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element for use within a page.

    matplotlib writes a clock and random ids unless told otherwise; letters are drawn as paths, so the page looks the
    same where a font is missing.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "pixmill", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    text = buffer.getvalue()
    return text[text.index("<svg") :].strip()


def figure_png(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as a PNG file, for tools that show pictures only.

    Args:
        figure: The figure.
        dpi: Dots an inch.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None}, bbox_inches="tight")
    return buffer.getvalue()
