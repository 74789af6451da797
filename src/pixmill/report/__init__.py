"""Pages for people: one self-contained HTML file a stage, which asks nothing of any server.

- ``page``: a stage's template, rendered within the common ``base.html``
- ``figure``: matplotlib figures as SVG whose bytes follow from their content
- ``histogram``: counts as a small SVG in the page's own colours
- ``names``: long names and URLs without their middle
- ``thumbnails``: pictures' files, decoded under guard
"""

from pixmill.report.figure import figure_png, figure_svg
from pixmill.report.histogram import histogram_svg
from pixmill.report.names import shorten
from pixmill.report.page import render_page

__all__ = ["figure_png", "figure_svg", "histogram_svg", "render_page", "shorten"]
