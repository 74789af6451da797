"""The page of split, ``reports/split.html``."""

from pixmill.pages.split.page import render_report

__all__ = ["render_report"]
