"""The guarded fetcher: a stranger's URL in, bytes or a reason out.

- ``fetcher``: pictures, pages' permissions and the answers of APIs
- ``visit``: a request with its redirects and repeats
- ``exchange``: one request and its answer
- ``host``: the manners towards one host; ``pace``: how often it is asked, ``breaker``: whether at all, ``pause``: when
  again
- ``robots``: what sites ask of crawlers
- ``guard`` and ``address``: only public addresses, checked at every step
- ``proxy``: the same guard for a browser
- ``location``: which texts are URLs that are fetched
- ``body``: bodies within a limit
- ``data_uri``: pictures that a page carries within itself
- ``limits``, ``manners`` and ``network``: what bounds a fetch; ``outcome``: what comes of it
"""

from pixmill.fetch.exchange import USER_AGENT
from pixmill.fetch.fetcher import Fetcher
from pixmill.fetch.limits import Limits
from pixmill.fetch.manners import Manners
from pixmill.fetch.network import Network
from pixmill.fetch.outcome import Fetched, Refused, Unchanged, Validators

__all__ = [
    "USER_AGENT",
    "Fetched",
    "Fetcher",
    "Limits",
    "Manners",
    "Network",
    "Refused",
    "Unchanged",
    "Validators",
]
