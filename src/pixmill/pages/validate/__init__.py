"""The page of validate, ``reports/validate.html``."""

from pixmill.pages.validate.page import render_report

__all__ = ["render_report"]
