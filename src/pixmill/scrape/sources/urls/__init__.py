"""Addresses from lists: tables of one's own, and the data sets that are published as lists.

- ``source``: the source, and where its lists lie
- ``kind``: which kind of list a file is
- ``meaning``: which published labels stand for which class
- ``table``: CSV and Parquet with the columns ``url`` and ``label``
- ``open_images``: the image lists, labels and names of Open Images
- ``lines``: one address a line: ImageNet's lists, ``TsvHttpData-1.0``, and plain ones
- ``entry``: one address, and what its list says of it
- ``spool``: entries sorted by class, on disk
"""

from pixmill.scrape.sources.urls.source import UrlLists, UrlsSource

__all__ = ["UrlLists", "UrlsSource"]
