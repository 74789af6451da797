"""The manners towards one host: how many requests at once, how often, and whether it is left alone."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from weakref import WeakValueDictionary

from yarl import URL

from pixmill.fetch.breaker import PATIENCE, Breaker
from pixmill.fetch.limits import Limits
from pixmill.fetch.location import host_of
from pixmill.fetch.manners import Manners
from pixmill.fetch.outcome import Fetched, Refused, Unchanged
from pixmill.fetch.pace import Pace
from pixmill.fetch.pause import LONGEST, backoff

__all__ = ["Host", "Hosts"]

_KEPT = 4096
"""Hosts that are remembered when nobody asks for them: enough to be polite, few enough for a list of a million."""

_STRUGGLES = re.compile(r"connection|timeout|http_(?:429|503)")
"""What counts against a host: no answer, or one that says "too much"."""

_SAYS_NOTHING = re.compile(r"private_address|bad_url|tls|incomplete|bad_response")
"""What tells neither that a host is well nor that it is not."""


class Host:
    """Let requests to one host start in turn.

    ``enter`` before each request, ``leave`` after it, and tell what came of it by ``learn``.

    Args:
        name: The host's name.
        slots: The places of all hosts together.
        places: Requests to this host at the same time.
        pace: When they may start.
        opted_out: Whether the host is left alone on request.
        robots_aside: Whether its ``robots.txt`` is set aside.
    """

    __slots__ = (
        "__weakref__", "_breaker", "_busy", "_busy_until", "_cause", "_pace", "_places", "_queue",
        "_slots", "name", "objection", "robots_aside",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        slots: asyncio.Semaphore,
        places: int,
        pace: Pace,
        *,
        opted_out: bool = False,
        robots_aside: bool = False,
    ) -> None:
        self.name = name
        self.robots_aside = robots_aside
        self.objection = Refused("opted_out", f"{name} is on the opt-out list") if opted_out else None
        """Why the host is asked for nothing at all, where it is not."""
        self._slots = slots
        self._places = asyncio.Semaphore(places)
        self._queue = asyncio.Lock()
        self._pace = pace
        self._breaker = Breaker()
        self._cause = ""
        self._busy: Refused | None = None
        self._busy_until = 0.0

    def keep_distance(self, seconds: float) -> None:
        """Keep at least so many seconds between requests, as the host's ``robots.txt`` asks."""
        self._pace.widen(seconds)

    async def enter(self) -> Refused | None:
        """Wait for this request's turn; or return why the host is left alone, without a turn."""
        await self._places.acquire()
        entered = False
        try:
            refused = await self._wait()
            entered = refused is None
        finally:
            if not entered:
                self._places.release()
        return refused

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
        if not isinstance(outcome, Refused):
            self._breaker.succeeded()
            return
        now = time.monotonic()
        if outcome.transient and outcome.retry_after is not None:
            self._wait_as_asked(outcome.retry_after, now)
        if _STRUGGLES.fullmatch(outcome.reason):
            self._breaker.failed(began, now)
            self._cause = outcome.reason
            self._pace.hold(now + backoff(self._breaker.failures))
        elif not _SAYS_NOTHING.fullmatch(outcome.reason):
            self._breaker.succeeded()

    def _wait_as_asked(self, seconds: float, now: float) -> None:
        if seconds <= LONGEST:
            self._pace.hold(now + seconds)
        else:
            self._busy = Refused("busy", f"{self.name} asked to be left alone for a while", seconds)
            self._busy_until = max(self._busy_until, now + seconds)

    async def _wait(self) -> Refused | None:
        if self._pace.is_free(time.monotonic()):
            if (refused := self._refusal()) is None:
                await self._slots.acquire()
            return refused
        async with self._queue:
            while True:
                if refused := self._refusal():
                    return refused
                seconds = self._pace.wait(time.monotonic())
                if seconds <= 0.0:
                    break
                await asyncio.sleep(seconds)
            await self._slots.acquire()
            self._pace.start(time.monotonic())
        return None

    def _refusal(self) -> Refused | None:
        if self._breaker.is_open:
            return Refused("host_down", f"{self.name} failed {PATIENCE} times in a row, at last: {self._cause}")
        return self._busy if time.monotonic() < self._busy_until else None


class Hosts:
    """Know the hosts that are asked, and remember the latest of them.

    Args:
        limits: How many requests at the same time.
        manners: How the hosts are treated.
    """

    def __init__(self, limits: Limits, manners: Manners) -> None:
        self._per_host = limits.per_host
        self._slots = asyncio.Semaphore(limits.connections)
        self._gap = 1.0 / manners.rate if manners.rate else 0.0
        self._jitter = manners.jitter
        self._opt_out = {host_of(name) for name in manners.opt_out}
        self._robots_exceptions = {host_of(name) for name in manners.robots_exceptions}
        self._own = {host_of(name) for name in manners.own}
        self._latest: OrderedDict[str, Host] = OrderedDict()
        self._in_use: WeakValueDictionary[str, Host] = WeakValueDictionary()

    def of(self, url: URL) -> Host:
        """Return the host of a URL."""
        name = (url.raw_host or "").rstrip(".")
        host = self._latest.get(name)
        if host is not None:
            self._latest.move_to_end(name)
            return host
        host = self._latest[name] = self._in_use[name] = self._in_use.get(name) or self._open(name)
        if len(self._latest) > _KEPT:
            self._latest.popitem(last=False)
        return host

    def _open(self, name: str) -> Host:
        labels = name.split(".")
        return Host(
            name,
            self._slots,
            self._per_host,
            Pace(0.0 if name in self._own else self._gap, self._jitter),
            opted_out=any(".".join(labels[start:]) in self._opt_out for start in range(len(labels))),
            robots_aside=name in self._robots_exceptions,
        )
