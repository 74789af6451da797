"""Where images come from: one small interface, one module a source, opened by ``source_list``.

- ``source``: the interface, and ``source_list``: which source a name stands for
- ``site``: any page of results in a browser, described by a file of ``sites/``; ``google`` where a
  description is not enough; ``detail``: the pages of single results; ``shop``: the bundled shop
- ``browsing``, ``page_state`` and ``tile``: a page in a browser, what it is, and what it shows
- ``definition``: the files that describe sites
- ``openverse``, ``wikimedia`` and ``search_api``: public APIs
- ``urls``, ``folder`` and ``keras``: what lies on this machine
- ``failure``: why a search failed, and what the browser showed
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
