"""Fetch untrusted URLs politely and within limits, with redirects and retries."""

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

from yarl import URL

from pixmill.web.fetch.exchange import Exchange, Request
from pixmill.web.fetch.host import MAX_PAUSE_SECONDS, Hosts, pause
from pixmill.web.fetch.location import InvalidURLError, decode_data_uri, parse_url
from pixmill.web.fetch.robots import Robots
from pixmill.web.fetch.values import Fetched, FetchLimits, Network, Politeness, Refused, Unchanged, Validators

_IMAGES = "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.5,*/*;q=0.1"
_ROBOTS_REQUEST = Request("text/plain,*/*;q=0.1", max_bytes=512 * 1024, cut=True, kept=False)
"""RFC 9309, section 2.5, requires reading at least 500 KiB of a ``robots.txt``."""
_API_REQUEST = Request("application/json", max_bytes=10_000_000, kept=False)


class Fetcher:
    """Fetch URLs; an asynchronous context manager.

    Fetches are independent of each other: no cookies are kept, only each origin's ``robots.txt`` and each host's
    failures.

    Args:
        limits: Limits of each fetch.
        politeness: Rate, opt-outs and exceptions.
        network: Allowed non-public origins; default: none.

    Raises:
        InvalidURLError: A host in the settings is invalid.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        politeness: Politeness | None = None,
        network: Network | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._politeness = politeness or Politeness()
        self._network = network or Network()
        self._hosts = Hosts(self._limits, self._politeness)

    async def __aenter__(self) -> Self:
        self._opened = AsyncExitStack()
        exchange = Exchange(self._limits, self._network, self._politeness.contact)
        self._exchange = await self._opened.enter_async_context(exchange)
        self._robots = Robots(partial(self.ask, request=_ROBOTS_REQUEST))
        self._opened.push_async_callback(self._robots.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def fetch(self, url: str, known: Validators | None = None) -> Fetched | Unchanged | Refused:
        """Return the content of a URL.

        Args:
            url: An absolute http(s) URL, or a ``data:`` URI.
            known: Validators of the caller's version; the result is :class:`Unchanged` if it is still current.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._limits.max_bytes)
        return await self._get(url, Request(_IMAGES, self._limits.max_bytes, known=known))

    async def ask(self, url: str, request: Request = _API_REQUEST) -> Fetched | Refused:
        """Return the unparsed response of a public API, by default JSON of at most 10 MB.

        ``robots.txt`` does not apply to APIs, which are made for programs; all else is as for images.

        Args:
            url: An absolute http(s) URL.
            request: Options.
        """
        outcome = await self._get(url, request)
        assert not isinstance(outcome, Unchanged)
        return outcome

    async def find_refusal(self, url: str) -> Refused | None:
        """Wait until a browser may visit a page, or return the reason why it must not.

        The visit counts as a request to the host, so its rate and ``Crawl-delay`` apply.

        Args:
            url: An absolute http(s) URL.
        """
        try:
            parsed = parse_url(url)
        except InvalidURLError as error:
            return Refused("bad_url", str(error))
        host = self._hosts.of(parsed)
        refused = host.objection or await self._robots.refusal(parsed, host) or await host.enter()
        if refused is None:
            host.leave()
        return refused

    async def _get(self, address: str, request: Request) -> Fetched | Unchanged | Refused:
        """Fetch a URL with redirects and retries; hosts that opted out are always refused."""
        try:
            url = parse_url(address)
        except InvalidURLError as error:
            return Refused("bad_url", str(error))
        left = self._limits.timeout  # without waiting for hosts
        redirects = failures = 0
        last: Refused | None = None
        known_at = request.known and (request.known.url or str(url))
        unconditional = dataclasses.replace(request, known=None)
        while True:
            host = self._hosts.of(url)
            if refused := host.objection or (await self._robots.refusal(url, host) if request.kept else None):
                return refused
            if refused := await host.enter():
                return last or refused  # the server's own answer is more informative
            began = time.monotonic()
            try:
                current = request if str(url) == known_at else unconditional
                outcome, seconds = await self._exchange.ask(url, current, left)
            finally:
                host.leave()
            host.record(outcome, began)
            left -= seconds
            if isinstance(outcome, URL):
                url = outcome
                redirects += 1
                if redirects > self._limits.redirects:
                    return Refused("too_many_redirects", f"more than {self._limits.redirects}")
            elif isinstance(outcome, Refused) and outcome.transient:
                if last is None or outcome.reason != "timeout" or left > 0.0:
                    last = outcome
                failures += 1
                seconds = pause(failures, self._limits.first_pause, outcome.retry_after)
                if failures >= self._limits.attempts or seconds > MAX_PAUSE_SECONDS or seconds >= left:
                    return last
                await asyncio.sleep(seconds)
                left -= seconds
            else:
                return outcome
