"""The stage scrape: images from the web or from local folders, with their provenance.

- ``sources/``: sources of images; ``sites/``: descriptions of results pages
- ``collection/``: planning, fetching and counting
- ``candidate``, ``image_store``, ``journal``, ``licences``, ``quota``: used by both
"""

from pixmill.scrape.collection.preview import forecast, probe_source
from pixmill.scrape.collection.run import scrape

__all__ = ["forecast", "probe_source", "scrape"]
