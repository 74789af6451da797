"""Where pictures come from: one small interface, one module a source.

- ``source``: the interface, and ``opening``: which source a name stands for
- ``site``: any page of results in a browser, described by a file of ``sites/``; ``google``, ``yahoo`` and
  ``duckduckgo`` where a description is not enough; ``shop``: the bundled shop
- ``results``, ``page``, ``tile``, ``stillness``, ``state`` and ``evidence``: reading such pages
- ``definition`` and ``sites``: reading their descriptions
- ``openverse``, ``wikimedia`` and ``api``: public APIs
- ``urls``, ``folder`` and ``keras``: what lies on this machine
- ``failure``: why a search did not answer
"""

from pixmill.scrape.sources.failure import Failure, SearchFailed
from pixmill.scrape.sources.opening import Opened, open_sources
from pixmill.scrape.sources.source import Access, Kind, LocalSource, Source, is_local

__all__ = [
    "Access",
    "Failure",
    "Kind",
    "LocalSource",
    "Opened",
    "SearchFailed",
    "Source",
    "is_local",
    "open_sources",
]
