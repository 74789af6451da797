"""The page of evaluate, ``reports/evaluate.html``, and the figures that are logged to MLflow."""

from pixmill.pages.evaluate.figures import figures
from pixmill.pages.evaluate.page import render_report

__all__ = ["figures", "render_report"]
