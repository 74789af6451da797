"""Report pages: one self-contained HTML file per stage.

- ``page``: renders the template of a stage within ``base.html``, or a template as plain text for a
  terminal
- ``chart``: line charts, histograms and intervals as small SVGs
- ``thumbnails``: thumbnails of image files, decoded in worker processes
"""

from pixmill.pages.chart import (
    coverage_svg,
    histogram_svg,
    interval_svg,
    lines_svg,
    reliability_svg,
    scatter_svg,
)
from pixmill.pages.page import Excerpt, page_head, render_page, with_sign

__all__ = [
    "Excerpt",
    "coverage_svg",
    "histogram_svg",
    "interval_svg",
    "lines_svg",
    "page_head",
    "reliability_svg",
    "render_page",
    "scatter_svg",
    "with_sign",
]
