"""Fetcher with SSRF guard: untrusted URL in, bytes or a reason out.

- ``fetcher``: fetches images and API responses, with redirects and retries; checks whether pages
  may be visited
- ``host``: politeness towards one host: rate limit, pauses, opt-out and ``robots.txt``
- ``guard``: allows public addresses only; ``proxy``: the same guard for a browser
- ``location``: URL validation and ``data:`` URIs
- ``values``: settings and results of a fetch
"""

from pixmill.web.fetch.values import (
    Fetched,
    FetchLimits,
    Network,
    Politeness,
    Refused,
    Unchanged,
    Validators,
)

__all__ = [
    "FetchLimits",
    "Fetched",
    "Network",
    "Politeness",
    "Refused",
    "Unchanged",
    "Validators",
]
