"""The stage scrape: images from the web or from local folders, with their provenance.

- ``sources/``: sources of images; ``sites/``: descriptions of results pages
- ``collection/``: planning, fetching and counting
- ``candidate``, ``journal``, ``licences``: used by both
"""
