"""The guarded fetcher (SSRF guard): an untrusted URL in, bytes or a reason out.

- ``fetcher``: images, pages' permissions and the answers of APIs, with redirects and repeats
- ``exchange``: one request and its answer, its body within a limit
- ``host``: politeness towards one host: rate limit, opt-out and retries
- ``robots``: what sites ask of crawlers
- ``guard``: only public addresses, checked at every step; ``proxy``: the same guard for a browser
- ``location``: which texts are URLs that are fetched
- ``values``: what bounds a fetch, and what comes of it
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
