"""Fetcher with SSRF guard: untrusted URL in, bytes or a reason out.

- ``fetcher``: fetches images and API responses, with redirects and retries; checks whether pages may be visited
- ``host``: politeness towards one host: rate limit, pauses, opt-out and ``robots.txt``
- ``guard``: allows public addresses only; ``proxy``: the same guard for a browser
- ``location``: URL validation and ``data:`` URIs
- ``values``: settings and results of a fetch
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pixmill.web.fetch.values import Fetched, FetchLimits, Network, Politeness, Refused, Unchanged, Validators

if TYPE_CHECKING:
    from pixmill.web.fetch.fetcher import USER_AGENT, Fetcher

__all__ = [
    "USER_AGENT",
    "FetchLimits",
    "Fetched",
    "Fetcher",
    "Network",
    "Politeness",
    "Refused",
    "Unchanged",
    "Validators",
]


def __getattr__(name: str) -> Any:
    """Import the fetcher when it is needed: ``pixmill check`` reads sources, and aiohttp takes half of its time."""
    if name in ("USER_AGENT", "Fetcher"):
        return getattr(import_module(f"{__name__}.fetcher"), name)
    raise AttributeError(name)
