"""What people see of a training: ``reports/train.html``, its curves and samples."""

from pixmill.pages.train.curves import curves_figure
from pixmill.pages.train.page import render_report
from pixmill.pages.train.samples import draw_samples

__all__ = ["curves_figure", "draw_samples", "render_report"]
