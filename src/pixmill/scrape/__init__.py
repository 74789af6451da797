"""The stage scrape: images from the web or from people, each with where it came from.

- ``sources/``: where images come from; ``sites/``: how pages of results are built
- ``collection/``: how images are collected
- ``candidate``, ``image_store``, ``journal``, ``licences``, ``quota``: what both know
"""

from pixmill.scrape.collection.forecast import forecast
from pixmill.scrape.collection.run import ScrapeResult, scrape
from pixmill.scrape.collection.site_probe import ProbeReport, probe_source
from pixmill.scrape.collection.tally import ScrapeTally

__all__ = [
    "ProbeReport",
    "ScrapeResult",
    "ScrapeTally",
    "forecast",
    "probe_source",
    "scrape",
]
