"""A request with its redirects and repeats, each step of it permitted and in its host's turn."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from yarl import URL

from pixmill.fetch.exchange import Exchange, Wanted
from pixmill.fetch.host import Host, Hosts
from pixmill.fetch.limits import Limits
from pixmill.fetch.outcome import Fetched, Refused, Unchanged
from pixmill.fetch.pause import pause

__all__ = ["Visitor"]

_LEFT_ALONE = {"busy", "host_down"}

Permission = Callable[[URL, Host], Awaitable[Refused | None]]


class _Attempt(NamedTuple):
    outcome: Fetched | Unchanged | Refused
    seconds: float
    """What its requests took, without the waiting for turns."""
    answered: bool = False
    """Whether the outcome is the server's, which may give another one later, and not our own decision."""


class Visitor:
    """Make requests, follow their redirects, and try again what failed for a passing reason.

    Args:
        limits: How long, how often and how far.
        hosts: Whose turns are waited for.
        exchange: Makes the requests.
    """

    def __init__(self, limits: Limits, hosts: Hosts, exchange: Exchange) -> None:
        self._limits = limits
        self._hosts = hosts
        self._exchange = exchange

    async def get(
        self, url: URL, wanted: Wanted, permission: Permission | None = None
    ) -> Fetched | Unchanged | Refused:
        """Return what a URL delivers in the end, or why it delivers nothing.

        Args:
            url: An http(s) URL without credentials.
            wanted: What it is asked for.
            permission: Asked before each request for what the site's own rules say of it. Hosts that opted out are
                asked for nothing in any case.
        """
        left = self._limits.timeout
        failures = 0
        last: Refused | None = None
        while True:
            attempt = await self._follow(url, wanted, permission, left)
            outcome = attempt.outcome
            if not isinstance(outcome, Refused):
                return outcome
            left -= attempt.seconds
            if last is not None and (outcome.reason in _LEFT_ALONE or (outcome.reason == "timeout" and left <= 0.0)):
                return last  # what the server said tells more than that nobody asks it any more
            last = outcome
            failures += 1
            seconds = pause(failures, outcome.retry_after)
            lasting = not (attempt.answered and outcome.transient)
            if lasting or failures >= self._limits.attempts or seconds is None or seconds >= left:
                return outcome
            await asyncio.sleep(seconds)
            left -= seconds

    async def _follow(self, url: URL, wanted: Wanted, permission: Permission | None, left: float) -> _Attempt:
        spent = 0.0
        versioned, anew = None, wanted
        if wanted.known is not None:
            versioned, anew = wanted.known.url or str(url), dataclasses.replace(wanted, known=None)
        for _ in range(self._limits.redirects + 1):
            host = self._hosts.of(url)
            if host.objection is not None:
                return _Attempt(host.objection, spent)
            if permission is not None and (refused := await permission(url, host)):
                return _Attempt(refused, spent)
            if refused := await host.enter():
                return _Attempt(refused, spent)
            began = time.monotonic()
            try:
                async with asyncio.timeout(left - spent):
                    step = await self._exchange.get(url, wanted if str(url) == versioned else anew)
            except TimeoutError:
                step = Refused("timeout", f"not finished within {self._limits.timeout:g} s")
            finally:
                host.leave()
            host.learn(step, began)
            spent += time.monotonic() - began
            if not isinstance(step, URL):
                return _Attempt(step, spent, answered=True)
            url = step
        return _Attempt(Refused("too_many_redirects", f"more than {self._limits.redirects}"), spent, answered=True)
