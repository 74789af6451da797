"""Pages for people: one self-contained HTML file a stage, which works offline.

- ``page``: a stage's template, rendered within the common ``base.html``, and matplotlib figures as SVG or PNG
- ``chart``, ``histogram``: curves and counts as a small SVG in the page's own colours
- ``thumbnails``: images' files, decoded under guard
"""

from pixmill.pages.base.chart import lines_svg
from pixmill.pages.base.histogram import histogram_svg
from pixmill.pages.base.page import figure_png, figure_svg, render_page, shorten

__all__ = ["figure_png", "figure_svg", "histogram_svg", "lines_svg", "render_page", "shorten"]
