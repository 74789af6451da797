"""Fetch what strangers' URLs name, politely and within limits."""

from __future__ import annotations

import asyncio
import dataclasses
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from yarl import URL

from pixmill.fetch.data_uri import decode_data_uri
from pixmill.fetch.exchange import Exchange
from pixmill.fetch.guard import Guard
from pixmill.fetch.limits import Limits
from pixmill.fetch.location import BadURL, parse_url
from pixmill.fetch.outcome import Fetched, Refused
from pixmill.fetch.pause import pause
from pixmill.fetch.robots import Robots

__all__ = ["Fetcher"]

_PICTURES = "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.5,*/*;q=0.1"
_RULES_BYTES = 512 * 1024
"""RFC 9309, section 2.5, asks to read at least 500 KiB of a ``robots.txt``."""


class Fetcher:
    """Turn URLs into bytes, or into the reason why not; an asynchronous context manager.

    A fetch is a function of its URL alone: it keeps no cookies and remembers nothing but ``robots.txt``.

    Args:
        limits: What each fetch obeys.
        hosts: Names that this process serves itself on loopback, each with its port; every other host must be public.
    """

    def __init__(self, limits: Limits | None = None, hosts: Mapping[str, int] | None = None) -> None:
        self._limits = limits or Limits()
        self._guard = Guard(hosts)
        self._slots = asyncio.Semaphore(self._limits.connections)
        self._slots_by_host: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def __aenter__(self) -> Self:
        rules = dataclasses.replace(self._limits, max_bytes=_RULES_BYTES)
        async with AsyncExitStack() as opened:
            self._pictures = await opened.enter_async_context(Exchange(self._limits, self._guard))
            self._rules = await opened.enter_async_context(Exchange(rules, self._guard))
            self._robots = Robots(self._get_rules)
            opened.push_async_callback(self._robots.close)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def fetch(self, url: str) -> Fetched | Refused:
        """Return the bytes that a URL names, or why there are none.

        Args:
            url: An absolute http(s) URL, or a ``data:`` URI.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._limits.max_bytes)
        try:
            parsed = parse_url(url)
        except BadURL as error:
            return Refused("bad_url", str(error))
        by_host = self._slots_by_host.setdefault(parsed.raw_host or "", asyncio.Semaphore(self._limits.per_host))
        async with by_host, self._slots:
            if refused := await self._robots.refusal(parsed):
                return refused
            return await self._persist(lambda: self._get_picture(parsed))

    async def permitted(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` where ``robots.txt`` lets us.

        Args:
            url: An absolute http(s) URL.
        """
        try:
            return await self._robots.refusal(parse_url(url))
        except BadURL as error:
            return Refused("bad_url", str(error))

    async def _get_picture(self, url: URL) -> Fetched | Refused:
        return await self._pictures.get(url, accept=_PICTURES, permission=self._robots.refusal)

    async def _get_rules(self, url: URL) -> Fetched | Refused:
        return await self._persist(lambda: self._rules.get(url, accept="text/plain,*/*;q=0.1"))

    async def _persist(self, attempt: Callable[[], Awaitable[Fetched | Refused]]) -> Fetched | Refused:
        """Try again what failed for a passing reason, within the time and the number of attempts."""
        outcome = Refused("timeout", f"not finished within {self._limits.timeout:g} s")
        try:
            async with asyncio.timeout(self._limits.timeout):
                for failures in range(1, self._limits.attempts + 1):
                    received = await attempt()
                    if isinstance(received, Fetched) or not received.transient:
                        return received
                    outcome = received
                    seconds = pause(failures, received.retry_after)
                    if seconds is None or failures == self._limits.attempts:
                        break
                    await asyncio.sleep(seconds)
        except TimeoutError:
            pass  # the last failure says more than that the time is up
        return outcome
