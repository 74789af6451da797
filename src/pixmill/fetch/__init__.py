"""The guarded fetcher: a stranger's URL in, bytes or a reason out.

- ``fetcher``: one fetch, with permission, repeats and limits
- ``exchange``: one GET with its redirects
- ``guard`` and ``address``: only public addresses, checked at every step
- ``location``: which texts are URLs that are fetched
- ``body``: bodies within a limit
- ``robots``: what sites ask of crawlers
- ``pause``: when to try again
- ``data_uri``: pictures that a page carries within itself
- ``limits`` and ``outcome``: what bounds a fetch, and what comes of it
"""

from pixmill.fetch.exchange import USER_AGENT
from pixmill.fetch.fetcher import Fetcher
from pixmill.fetch.limits import Limits
from pixmill.fetch.outcome import Fetched, Refused

__all__ = ["USER_AGENT", "Fetched", "Fetcher", "Limits", "Refused"]
