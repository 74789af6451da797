"""The stage scrape: images from the web or from local folders, with their provenance.

- ``sources/``: sources of images; ``sites/``: descriptions of results pages
- ``collection/``: planning, fetching and counting
- ``candidate``, ``image_store``, ``journal``, ``licences``, ``quota``: used by both
"""

from pixmill.scrape.collection.forecast import forecast
from pixmill.scrape.collection.run import scrape
from pixmill.scrape.collection.site_probe import probe_source

__all__ = ["forecast", "probe_source", "scrape"]
