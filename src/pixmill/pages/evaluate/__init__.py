"""The page of evaluate, ``reports/evaluate.html``."""

from pixmill.pages.evaluate.page import render_report

__all__ = ["render_report"]
