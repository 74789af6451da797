"""What people see of a training: ``reports/train.html``, and samples of its images."""

from pixmill.pages.train.page import render_report
from pixmill.pages.train.samples import draw_samples

__all__ = ["draw_samples", "render_report"]
