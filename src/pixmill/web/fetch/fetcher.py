"""Fetch untrusted URLs, politely and within limits, with redirects and retries."""

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

from yarl import URL

from pixmill.web.fetch.exchange import Exchange, Request
from pixmill.web.fetch.host import LONGEST, Hosts, pause
from pixmill.web.fetch.location import InvalidURLError, decode_data_uri, parse_url
from pixmill.web.fetch.robots import Robots
from pixmill.web.fetch.values import Fetched, FetchLimits, Network, Politeness, Refused, Unchanged, Validators

_IMAGES = "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.5,*/*;q=0.1"
_RULES = Request("text/plain,*/*;q=0.1", max_bytes=512 * 1024, cut=True, kept=False)
"""RFC 9309, section 2.5, asks to read at least 500 KiB of a ``robots.txt``."""
_ANSWER = Request("application/json", max_bytes=10_000_000, kept=False)


class Fetcher:
    """Turn URLs into bytes, or into the reason why not; an asynchronous context manager.

    A fetch is a function of its URL alone: it keeps no cookies, and remembers nothing but ``robots.txt`` and how the
    hosts are.

    Args:
        limits: What each fetch obeys.
        politeness: How the hosts are treated.
        network: What may be reached beside the public internet; nothing by default.

    Raises:
        InvalidURLError: The settings or the network name a host that is none.
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
        self._robots = Robots(partial(self.ask, request=_RULES))
        self._opened.push_async_callback(self._robots.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def fetch(self, url: str, known: Validators | None = None) -> Fetched | Unchanged | Refused:
        """Return the bytes that a URL names, or why there are none.

        Args:
            url: An absolute http(s) URL, or a ``data:`` URI.
            known: The version that the caller has already: where it is still the current one, it does not come again.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._limits.max_bytes)
        return await self._get(url, Request(_IMAGES, self._limits.max_bytes, known=known))

    async def ask(self, url: str, request: Request = _ANSWER) -> Fetched | Refused:
        """Return the answer of a published API, as JSON of at most 10 MB; not parsed.

        An API is made for programs, so that ``robots.txt``, which is about pages, is not asked; all else is as with
        images.

        Args:
            url: An absolute http(s) URL.
            request: What else is asked for.
        """
        outcome = await self._get(url, request)
        assert not isinstance(outcome, Unchanged)  # which comes only where a version is known
        return outcome

    async def find_refusal(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` once its host and ``robots.txt`` let us.

        Whoever visits it, such as a browser, takes a turn at its host like our own requests, so that the distance that
        is kept between these holds for pages, too.

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
        """Return what a URL delivers in the end, or why it delivers nothing.

        Args:
            address: An absolute http(s) URL.
            request: What it is asked for. Hosts that opted out are asked for nothing in any case.
        """
        try:
            url = parse_url(address)
        except InvalidURLError as error:
            return Refused("bad_url", str(error))
        left = self._limits.timeout  # Waiting for turns does not count.
        redirects = failures = 0
        last: Refused | None = None
        known_at = request.known and (request.known.url or str(url))
        anew = dataclasses.replace(request, known=None)
        while True:
            host = self._hosts.of(url)
            if refused := host.objection or (await self._robots.refusal(url, host) if request.kept else None):
                return refused
            if refused := await host.enter():
                # What the server said tells more than that nobody asks it any more.
                return last or refused
            began = time.monotonic()
            try:
                outcome, seconds = await self._exchange.ask(url, request if str(url) == known_at else anew, left)
            finally:
                host.leave()
            host.learn(outcome, began)
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
                if failures >= self._limits.attempts or seconds > LONGEST or seconds >= left:
                    return last
                await asyncio.sleep(seconds)
                left -= seconds
            else:
                return outcome
