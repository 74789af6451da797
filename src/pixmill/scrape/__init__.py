"""The stage scrape: pictures from the web or from people, each with where it came from.

- ``run``: the whole of it
- ``sources/``: where pictures come from
- ``candidate``: a picture that a source shows
- ``crawl``: asking a source every query
- ``collector``: candidates to pictures
- ``pictures``: files named by their content
- ``journal`` and ``shelf``: what is not asked for again
- ``tables``: the manifest and the sightings
- ``account`` and ``report``: what came of it, for programs and for people
"""

from pixmill.scrape.account import Account
from pixmill.scrape.report import render_report
from pixmill.scrape.run import ScrapeResult, scrape

__all__ = ["Account", "ScrapeResult", "render_report", "scrape"]
