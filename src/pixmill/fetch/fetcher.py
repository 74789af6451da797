"""Fetch what strangers' URLs name, politely and within limits."""

from __future__ import annotations

import dataclasses
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, overload

from yarl import URL

from pixmill.fetch.data_uri import decode_data_uri
from pixmill.fetch.exchange import Exchange, Wanted
from pixmill.fetch.guard import Guard
from pixmill.fetch.host import Hosts
from pixmill.fetch.limits import Limits
from pixmill.fetch.location import BadURL, parse_url
from pixmill.fetch.manners import Manners
from pixmill.fetch.network import Network
from pixmill.fetch.outcome import Fetched, Refused, Unchanged, Validators
from pixmill.fetch.robots import Robots
from pixmill.fetch.visit import Visitor

__all__ = ["Fetcher"]

_PICTURES = "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.5,*/*;q=0.1"
_RULES = Wanted("text/plain,*/*;q=0.1", max_bytes=512 * 1024, cut=True, kept=False)
"""RFC 9309, section 2.5, asks to read at least 500 KiB of a ``robots.txt``."""
_ANSWER = Wanted("application/json", max_bytes=10_000_000, kept=False)


class Fetcher:
    """Turn URLs into bytes, or into the reason why not; an asynchronous context manager.

    A fetch is a function of its URL alone: it keeps no cookies, and remembers nothing but ``robots.txt`` and how the
    hosts are.

    Args:
        limits: What each fetch obeys.
        manners: How the hosts are treated.
        network: What may be reached beside the public internet; nothing by default.

    Raises:
        BadURL: The manners or the network name a host that is none.
    """

    def __init__(
        self, limits: Limits | None = None, manners: Manners | None = None, network: Network | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._manners = manners or Manners()
        self._network = network or Network()
        self._pictures = Wanted(_PICTURES, self._limits.max_bytes)
        self._hosts = Hosts(self._limits, self._manners)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            guard = Guard(self._network)
            opened.push_async_callback(guard.close)
            exchange = Exchange(self._limits, guard, self._network, self._manners.contact)
            await opened.enter_async_context(exchange)
            self._visitor = Visitor(self._limits, self._hosts, exchange)
            self._robots = Robots(self._get_rules)
            opened.push_async_callback(self._robots.close)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @overload
    async def fetch(self, url: str, known: None = None) -> Fetched | Refused: ...

    @overload
    async def fetch(self, url: str, known: Validators | None) -> Fetched | Unchanged | Refused: ...

    async def fetch(self, url: str, known: Validators | None = None) -> Fetched | Unchanged | Refused:
        """Return the bytes that a URL names, or why there are none.

        Args:
            url: An absolute http(s) URL, or a ``data:`` URI.
            known: The version that the caller has already: where it is still the current one, it does not come again.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._limits.max_bytes)
        try:
            parsed = parse_url(url)
        except BadURL as error:
            return Refused("bad_url", str(error))
        wanted = dataclasses.replace(self._pictures, known=known) if known else self._pictures
        return await self._visitor.get(parsed, wanted, self._robots.refusal)

    async def ask(self, url: str) -> Fetched | Refused:
        """Return the answer of a published API, as JSON of at most 10 MB; not parsed.

        An API is made for programs, so that ``robots.txt``, which is about pages, is not asked; all else is as with
        pictures.

        Args:
            url: An absolute http(s) URL.
        """
        try:
            return _expected(await self._visitor.get(parse_url(url), _ANSWER))
        except BadURL as error:
            return Refused("bad_url", str(error))

    async def permitted(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` once its host and ``robots.txt`` let us.

        Whoever visits it, such as a browser, takes a turn at its host like our own requests, so that the distance that
        is kept between these holds for pages, too.

        Args:
            url: An absolute http(s) URL.
        """
        try:
            parsed = parse_url(url)
        except BadURL as error:
            return Refused("bad_url", str(error))
        host = self._hosts.of(parsed)
        refused = host.objection or await self._robots.refusal(parsed, host) or await host.enter()
        if refused is None:
            host.leave()
        return refused

    async def _get_rules(self, url: URL) -> Fetched | Refused:
        return _expected(await self._visitor.get(url, _RULES))


def _expected(outcome: Fetched | Unchanged | Refused) -> Fetched | Refused:
    """Rule out what comes only where somebody has a version already."""
    assert not isinstance(outcome, Unchanged)
    return outcome
