"""Outgoing HTTP: a fetcher with SSRF guard (URL in, bytes or a reason out), and a browser.

- ``fetcher``: fetches images and API responses, with redirects and retries; checks whether pages
  may be visited
- ``host``: politeness towards one host: rate limit, pauses, opt-out and ``robots.txt``
- ``guard``: allows public addresses only; ``proxy``: the same guard for a browser
- ``location``: URL validation and ``data:`` URIs
- ``values``: settings and results of a fetch
- ``browser``: sandboxed browser, imported only to open one
"""

from pixmill.fetch.values import (
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
