"""Politeness towards one host: concurrency, rate, pauses after failures, opt-out."""

import asyncio
import dataclasses
import math
import random
import re
import time
from contextlib import AsyncExitStack
from functools import lru_cache, partial

from yarl import URL

from pixmill.web.fetch.location import host_of, is_within
from pixmill.web.fetch.values import Fetched, FetchLimits, Politeness, Refused, Unchanged

_MAX_HOSTS = 4096
"""Hosts in memory; a URL list may name a million."""

_OVERLOADED = re.compile(r"connection|timeout|http_(?:429|503)")
"""Reasons that count as failures of a host: no answer, or "too many requests"."""

_NEUTRAL = {"private_address", "bad_url", "tls", "incomplete", "bad_response"}
"""Reasons that neither add to nor reset a host's failures."""

MAX_PAUSE_SECONDS = 30.0
"""A host that asks for a longer pause is skipped until the pause is over."""

MAX_FAILURES = 5
"""Failures in a row after which a host is skipped for the rest of the run."""


def pause(failures: int, first: float, asked_for: float | None = None) -> float:
    """Return the seconds to wait after a failure, doubled with each in a row up to :data:`MAX_PAUSE_SECONDS`.

    Args:
        failures: Number of failures in a row, from 1.
        first: Seconds after the first failure.
        asked_for: Seconds that the server asked for, if it did: the minimum.
    """
    return max(min(first * 2.0 ** min(failures - 1, 16), MAX_PAUSE_SECONDS), asked_for or 0.0)


class Host:
    """Schedule the requests to one host.

    Call ``enter`` before each request, ``leave`` after it, and ``record`` with its outcome.

    Args:
        name: Name of the host.
        connections: Semaphore of all hosts' connections.
        limits: Concurrency, and the pause after a failure.
        politeness: Rate, opt-outs and exceptions.

    Attributes:
        objection: Reason why the host is skipped entirely, or ``None``.
        ignores_robots: Whether its ``robots.txt`` is overridden.
    """

    def __init__(self, name: str, connections: asyncio.Semaphore, limits: FetchLimits, politeness: Politeness) -> None:
        opted_out = is_within(name, politeness.opt_out)
        self.objection = Refused("opted_out", f"{name} is in scrape.opt_out") if opted_out else None
        self.ignores_robots = name in politeness.robots_exceptions
        self._name = name
        self._connections = connections
        self._own_connections = asyncio.Semaphore(limits.per_host)
        self._first_pause = limits.first_pause
        self._queue = asyncio.Lock()
        self._gap = 0.0 if politeness.rate is None or name in politeness.own else 1.0 / politeness.rate
        self._jitter = politeness.jitter
        # Values of time.monotonic().
        self._next_start = self._paused_until = 0.0
        self._failures = 0
        self._failed_at = -math.inf
        self._cause = ""

    def set_min_delay(self, seconds: float) -> None:
        """Wait at least this long between requests (``Crawl-delay``)."""
        self._gap = max(self._gap, seconds)

    async def enter(self) -> Refused | None:
        """Wait until the request may start, or return the reason why it may not."""
        async with AsyncExitStack() as undo:
            await self._own_connections.acquire()
            undo.callback(self._own_connections.release)
            async with self._queue:
                while True:
                    if refused := self._refusal():
                        return refused
                    seconds = max(self._next_start, self._paused_until) - time.monotonic()
                    if seconds <= 0.0:
                        break
                    await asyncio.sleep(seconds)
                await self._connections.acquire()
                gap = self._gap * (1.0 + self._jitter * random.random())  # noqa: S311 (not for security)
                self._next_start = time.monotonic() + gap
            undo.pop_all()
        return None

    def leave(self) -> None:
        """Release the connections that ``enter`` acquired."""
        self._connections.release()
        self._own_connections.release()

    def record(self, outcome: Fetched | Unchanged | Refused | URL, began: float) -> None:
        """Record the outcome of a request.

        After a failure all requests to the host pause, longer with each failure in a row and at least as long as the
        host asks for. If this exceeds :data:`MAX_PAUSE_SECONDS`, requests are refused until the pause is over.

        Args:
            outcome: The result; a URL for a redirect.
            began: Start of the request, a value of ``time.monotonic()``.
        """
        now = time.monotonic()
        seconds = 0.0
        if isinstance(outcome, Refused) and outcome.transient:
            seconds = outcome.retry_after or 0.0
        if isinstance(outcome, Refused) and _OVERLOADED.fullmatch(outcome.reason):
            # Concurrent requests that fail together count as one failure.
            if began >= self._failed_at:
                self._failures += 1
                self._failed_at = now
            self._cause = outcome.reason
            seconds = pause(self._failures, self._first_pause, seconds)
        elif self._failures < MAX_FAILURES and not (isinstance(outcome, Refused) and outcome.reason in _NEUTRAL):
            self._failures = 0
        self._paused_until = max(self._paused_until, now + seconds)

    def _refusal(self) -> Refused | None:
        if self._failures >= MAX_FAILURES:
            return Refused("host_down", f"{self._name} failed {MAX_FAILURES} times in a row, last with: {self._cause}")
        if self._paused_until - time.monotonic() > MAX_PAUSE_SECONDS:
            return Refused("busy", f"{self._name} asked for a longer pause")
        return None


class Hosts:
    """The recently used hosts.

    Args:
        limits: Concurrency and pauses.
        politeness: Rate, opt-outs and exceptions.

    Raises:
        InvalidURLError: A host in the settings is invalid.
    """

    def __init__(self, limits: FetchLimits, politeness: Politeness) -> None:
        politeness = dataclasses.replace(
            politeness,
            opt_out=frozenset(map(host_of, politeness.opt_out)),
            robots_exceptions=frozenset(map(host_of, politeness.robots_exceptions)),
            own=frozenset(map(host_of, politeness.own)),
        )
        connections = asyncio.Semaphore(limits.connections)
        host = partial(Host, connections=connections, limits=limits, politeness=politeness)
        self._by_name = lru_cache(_MAX_HOSTS)(host)

    def of(self, url: URL) -> Host:
        """Return the host of a URL."""
        return self._by_name((url.raw_host or "").rstrip("."))
