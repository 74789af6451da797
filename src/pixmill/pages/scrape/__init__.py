"""The page of scrape, ``reports/scrape.html``."""

from pixmill.pages.scrape.page import render_report

__all__ = ["render_report"]
