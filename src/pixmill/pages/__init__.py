"""Pages for people: one self-contained HTML file a stage, which works offline.

- ``page``: a stage's template, rendered within the common ``base.html``
- ``text``: a template as plain text for a terminal
- ``chart``: lines, histograms and intervals as small SVGs in the page's own colours
- ``thumbnails``: images' files, decoded under guard
"""

from pixmill.pages.chart import coverage_svg, histogram_svg, interval_svg, lines_svg, reliability_svg
from pixmill.pages.page import Excerpt, render_page, shorten, with_sign

__all__ = [
    "Excerpt",
    "coverage_svg",
    "histogram_svg",
    "interval_svg",
    "lines_svg",
    "reliability_svg",
    "render_page",
    "shorten",
    "with_sign",
]
