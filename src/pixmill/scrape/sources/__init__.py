"""Sources of images with one interface.

- ``source``: the interface, and failures of searches; ``source_list``: sources by name
- ``site``: any results page, described by a file of ``sites/``; ``google``: Google Images;
  ``shop``: the bundled shop
- ``browsing``, ``page_state``, ``tile``: a page in a browser, its kind, and its results
- ``definition``: the files of ``sites/``
- ``search_api``: public APIs: Openverse and Wikimedia Commons
- ``urls``, ``folder``, ``keras``: local lists and images
"""

from pixmill.fetch import Fetched, Refused
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.search_api import ApiSource, ask_json
from pixmill.scrape.sources.source import (
    Access,
    Failure,
    Kind,
    LocalSource,
    SearchError,
    Source,
    is_local,
)

__all__ = [
    "Access",
    "ApiSource",
    "Candidate",
    "Failure",
    "Fetched",
    "Kind",
    "LocalSource",
    "Query",
    "Refused",
    "SearchError",
    "Source",
    "ask_json",
    "is_local",
]
