"""Politeness towards one host: how many requests at once, how often, and whether it is skipped."""

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

_KEPT = 4096
"""Hosts that are remembered: enough to be polite, few enough for a list of a million."""

_STRUGGLES = re.compile(r"connection|timeout|http_(?:429|503)")
"""What counts against a host: no answer, or one that says "too much"."""

_SAYS_NOTHING = {"private_address", "bad_url", "tls", "incomplete", "bad_response"}
"""What tells neither that a host is well nor that it is not."""

LONGEST = 30.0
"""Seconds: a server that asks for a longer pause is left alone until that is over."""

PATIENCE = 5
"""Failures in a row after which a host is left alone for the rest of the run."""


def pause(failures: int, first: float, asked_for: float | None = None) -> float:
    """Return the seconds to wait after so many failures in a row, from 1: each doubles them, up to ``LONGEST``.

    Args:
        failures: How often it has failed, from 1.
        first: Seconds after the first failure.
        asked_for: Seconds that the server asked for, if it did; the pause is never shorter.
    """
    return max(min(first * 2.0 ** min(failures - 1, 16), LONGEST), asked_for or 0.0)


class Host:
    """Let requests to one host start in turn.

    ``enter`` before each request, ``leave`` after it, and report what came of it by ``learn``.

    Args:
        name: The host's name.
        slots: The places of all hosts together.
        limits: How many requests at the same time, and the pause after a failure.
        politeness: How the host is treated.

    Attributes:
        objection: Why the host is asked for nothing at all, where it is not.
        robots_aside: Whether its ``robots.txt`` is overridden.
    """

    def __init__(self, name: str, slots: asyncio.Semaphore, limits: FetchLimits, politeness: Politeness) -> None:
        opted_out = is_within(name, politeness.opt_out)
        self.objection = Refused("opted_out", f"{name} is in scrape.opt_out") if opted_out else None
        self.robots_aside = name in politeness.robots_exceptions
        self._name = name
        self._slots = slots
        self._places = asyncio.Semaphore(limits.per_host)
        self._first_pause = limits.first_pause
        self._queue = asyncio.Lock()
        self._gap = 0.0 if politeness.rate is None or name in politeness.own else 1.0 / politeness.rate
        self._jitter = politeness.jitter
        # Moments of time.monotonic(): the next start by the gap, the end of a pause.
        self._next = self._paused_until = 0.0
        self._failures = 0
        self._failed_at = -math.inf
        self._cause = ""

    def keep_distance(self, seconds: float) -> None:
        """Keep at least so many seconds between requests, as the host's ``robots.txt`` asks."""
        self._gap = max(self._gap, seconds)

    async def enter(self) -> Refused | None:
        """Wait for this request's turn; or return why the host is left alone, without a turn."""
        async with AsyncExitStack() as undo:
            await self._places.acquire()
            undo.callback(self._places.release)
            async with self._queue:
                while True:
                    if refused := self._refusal():
                        return refused
                    seconds = max(self._next, self._paused_until) - time.monotonic()
                    if seconds <= 0.0:
                        break
                    await asyncio.sleep(seconds)
                await self._slots.acquire()
                # Lengthened at random, so that no rhythm arises.
                gap = self._gap * (1.0 + self._jitter * random.random())  # noqa: S311 (it guards nothing)
                self._next = time.monotonic() + gap
            undo.pop_all()
        return None

    def leave(self) -> None:
        """Give the turn back."""
        self._slots.release()
        self._places.release()

    def learn(self, outcome: Fetched | Unchanged | Refused | URL, began: float) -> None:
        """Take in what came of a request.

        A host that struggles gets a pause, longer with each failure and never shorter than it asks for, which all
        requests to it keep. One that asks for a longer pause than we wait is left alone until that is over.

        Args:
            outcome: What came of it; a URL for a redirect.
            began: When it began, by ``time.monotonic()``.
        """
        now = time.monotonic()
        seconds = 0.0
        if isinstance(outcome, Refused) and outcome.transient:
            seconds = outcome.retry_after or 0.0
        if isinstance(outcome, Refused) and _STRUGGLES.fullmatch(outcome.reason):
            # Requests that were under way together when the host failed count once: eight refusals at the same moment
            # say no more than one does.
            if began >= self._failed_at:
                self._failures += 1
                self._failed_at = now
            self._cause = outcome.reason
            seconds = pause(self._failures, self._first_pause, seconds)
        elif self._failures < PATIENCE and not (isinstance(outcome, Refused) and outcome.reason in _SAYS_NOTHING):
            self._failures = 0
        self._paused_until = max(self._paused_until, now + seconds)

    def _refusal(self) -> Refused | None:
        if self._failures >= PATIENCE:
            return Refused("host_down", f"{self._name} failed {PATIENCE} times in a row, last with: {self._cause}")
        if self._paused_until - time.monotonic() > LONGEST:
            return Refused("busy", f"{self._name} asked for a longer pause")
        return None


class Hosts:
    """Know the hosts that are asked, and remember the latest of them.

    Args:
        limits: How many requests at the same time.
        politeness: How the hosts are treated.

    Raises:
        InvalidURLError: The settings name an invalid host.
    """

    def __init__(self, limits: FetchLimits, politeness: Politeness) -> None:
        politeness = dataclasses.replace(
            politeness,
            opt_out=frozenset(map(host_of, politeness.opt_out)),
            robots_exceptions=frozenset(map(host_of, politeness.robots_exceptions)),
            own=frozenset(map(host_of, politeness.own)),
        )
        slots = asyncio.Semaphore(limits.connections)
        self._named = lru_cache(_KEPT)(partial(Host, slots=slots, limits=limits, politeness=politeness))

    def of(self, url: URL) -> Host:
        """Return the host of a URL."""
        return self._named((url.raw_host or "").rstrip("."))
