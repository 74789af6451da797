"""Fetcher with SSRF guard: untrusted URL in, bytes or a reason out.

- ``fetcher``: fetches images and API responses, with redirects and retries; checks whether pages may be visited
- ``exchange``: one HTTP request, with a limited body
- ``host``: politeness towards one host: rate limit, pauses and opt-out
- ``robots``: ``robots.txt`` and ``X-Robots-Tag``
- ``guard``: allows public addresses only; ``proxy``: the same guard for a browser
- ``location``: URL validation and ``data:`` URIs
- ``values``: settings and results of a fetch
"""

from pixmill.web.fetch.exchange import USER_AGENT
from pixmill.web.fetch.fetcher import Fetcher
from pixmill.web.fetch.values import Fetched, FetchLimits, Network, Politeness, Refused, Unchanged, Validators

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
