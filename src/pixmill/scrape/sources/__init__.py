"""Sources of images: one interface, one module per source.

- ``source``: the interface; ``source_list``: sources by name
- ``site``: any results page, described by a file of ``sites/``; ``google``: Google Images; ``detail``: pages of single
  results; ``shop``: the bundled shop
- ``browsing``, ``page_state``, ``tile``: a page in a browser, its kind, and its results
- ``definition``: the files of ``sites/``
- ``openverse``, ``wikimedia``, ``search_api``: public APIs
- ``urls``, ``folder``, ``keras``: local lists and images
- ``failure``: failures of searches
"""

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import Failure, SearchError
from pixmill.scrape.sources.search_api import ApiSource, ask_json
from pixmill.scrape.sources.source import Access, Kind, LocalSource, Source, is_local
from pixmill.scrape.sources.source_list import OpenSources, is_on_web, open_sources
from pixmill.web.fetch import Fetched, Refused

__all__ = [
    "Access",
    "ApiSource",
    "Candidate",
    "Failure",
    "Fetched",
    "Kind",
    "LocalSource",
    "OpenSources",
    "Query",
    "Refused",
    "SearchError",
    "Source",
    "ask_json",
    "is_local",
    "is_on_web",
    "open_sources",
]
