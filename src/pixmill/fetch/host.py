"""Politeness towards one host: concurrency, rate, pauses, opt-out, ``robots.txt``.

``robots.txt`` (RFC 9309) is checked before a fetch, ``X-Robots-Tag`` and ``Content-Usage`` after
it.
"""

import asyncio
import dataclasses
import math
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import lru_cache, partial

from protego import Protego
from yarl import URL

from pixmill.fetch.location import host_of, is_within
from pixmill.fetch.values import Fetched, FetchLimits, Politeness, Refused, Unchanged

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

ROBOT = "pixmill"
"""Our user agent in ``robots.txt`` and ``X-Robots-Tag``."""

MAX_CRAWL_DELAY_SECONDS = 60.0
"""A host that asks for a longer delay between requests is skipped."""

_MAX_ORIGINS = 1024
"""Origins whose rules are cached; rules may be long, and lists may name 100,000 origins."""

_FORBIDDING = {"noai", "noimageai", "noimageindex", "noindex", "noml", "none"}
"""Directives that forbid keeping an image; ``none`` is short for ``noindex, nofollow``."""

_VALUED = {"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"}
"""Directives with a value after a colon; before any other colon stands a user agent."""

_RULE = re.compile(r"(?im)^[ \t]*(allow|disallow|content-(?:signal|usage))[ \t]*:[ \t]*([^\r\n#]*)")
"""A line of ``robots.txt`` that permits or forbids something."""

_TRAINING = re.compile(r"(?i)(?:^|[,\s])(?:train-ai|ai-train)\s*=\s*(n|no|y|yes)(?=[,;\s]|$)")
"""Preferences: ``train-ai`` in ``Content-Usage`` (IETF), ``ai-train`` in ``Content-Signal``."""

_UNAVAILABLE = re.compile(r"http_4(?!29)\d\d")
"""Outcomes that mean that there are no rules (RFC 9309, section 2.3.1.3); 429 does not."""

_UNREACHABLE = re.compile(r"http_.*|incomplete|encoding|bad_r.*|too_many_redirects")
"""Outcomes that mean that the rules are unknown."""


def pause(failures: int, first: float, asked_for: float | None = None) -> float:
    """Return the seconds to wait after a failure, doubled with each in a row up to a maximum.

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

    def __init__(
        self, name: str, connections: asyncio.Semaphore, limits: FetchLimits, politeness: Politeness
    ) -> None:
        opted_out = is_within(name, politeness.opt_out)
        self.objection = Refused("opted_out", f"{name} is in scrape.opt_out") if opted_out else None
        self.ignores_robots = name in politeness.robots_exceptions
        self._name = name
        self._connections = connections
        self._own_connections = asyncio.Semaphore(limits.per_host)
        self._first_pause = limits.first_pause
        self._queue = asyncio.Lock()
        self._gap = (
            0.0 if politeness.rate is None or name in politeness.own else 1.0 / politeness.rate
        )
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

        After a failure all requests to the host pause, longer with each failure in a row and at
        least as long as the host asks for. If this exceeds :data:`MAX_PAUSE_SECONDS`, requests are
        refused until the pause is over.

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
        elif self._failures < MAX_FAILURES and not (
            isinstance(outcome, Refused) and outcome.reason in _NEUTRAL
        ):
            self._failures = 0
        self._paused_until = max(self._paused_until, now + seconds)

    def _refusal(self) -> Refused | None:
        if self._failures >= MAX_FAILURES:
            return Refused(
                "host_down",
                f"{self._name} failed {MAX_FAILURES} times in a row, last with: {self._cause}",
            )
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


class Robots:
    """Fetch and cache the ``robots.txt`` of each origin.

    Args:
        get: Fetches a URL without checking ``robots.txt``; truncates a body that is too large.
    """

    def __init__(self, get: Callable[[str], Awaitable[Fetched | Refused]]) -> None:
        self._get = get
        self._rules: dict[str, asyncio.Task[tuple[Protego, Protego] | Refused]] = {}

    async def refusal(self, url: URL, host: Host) -> Refused | None:
        """Return the reason why a URL must not be fetched, or ``None``.

        Unreachable rules forbid everything (RFC 9309, section 2.3.1.4).

        Args:
            url: An http(s) URL.
            host: Its host, to which the rules' ``Crawl-delay`` is applied.
        """
        if host.ignores_robots:
            return None
        origin = f"{url.scheme}://{url.raw_authority}"
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._read(origin))
            if len(self._rules) > _MAX_ORIGINS:
                del self._rules[next(iter(self._rules))]
        # Shielded, since other fetches wait for the same rules if this one is cancelled.
        read = await asyncio.shield(self._rules[origin])
        if isinstance(read, Refused):
            return read
        rules, training = read
        delay = rules.crawl_delay(ROBOT) or 0.0
        if delay > MAX_CRAWL_DELAY_SECONDS:
            return Refused(
                "crawl_delay", f"{origin}/robots.txt asks for {delay:g} s between requests"
            )
        host.set_min_delay(delay)
        if not rules.can_fetch(str(url), ROBOT):
            return Refused("robots", f"disallowed by {origin}/robots.txt")
        if not training.can_fetch(str(url), ROBOT):
            return Refused(
                "no_training",
                f"{origin}/robots.txt refuses training (Content-Signal, Content-Usage)",
            )
        return None

    async def _read(self, origin: str) -> tuple[Protego, Protego] | Refused:
        outcome = await self._get(f"{origin}/robots.txt")
        if isinstance(outcome, Fetched):
            text = outcome.content.decode("utf-8-sig", errors="replace")
            return Protego.parse(text), training_rules(text)
        if _UNAVAILABLE.fullmatch(outcome.reason):
            return Protego.parse(""), Protego.parse("")
        if _UNREACHABLE.fullmatch(outcome.reason):
            return Refused(
                "robots_unreachable", f"{origin}/robots.txt: {outcome.reason}", outcome.retry_after
            )
        return outcome

    async def close(self) -> None:
        """Cancel the fetches in progress."""
        for task in self._rules.values():
            task.cancel()
        await asyncio.gather(*self._rules.values(), return_exceptions=True)


def refuses_training(preferences: str) -> bool | None:
    """Return whether a header refuses training; ``None`` if it does not say.

    Of contradictory values, the refusal counts.

    >>> refuses_training("search=y, train-ai=n"), refuses_training("ai-train=yes"), refuses_training("search=no")
    (True, False, None)
    """
    stated = [value[0].lower() for value in _TRAINING.findall(preferences)]
    return "n" in stated if stated else None


def training_rules(text: str) -> Protego:
    """Return the preferences of a ``robots.txt`` on training as rules that disallow.

    Groups, wildcards and the longest match then work as for other rules.

    Args:
        text: The ``robots.txt``. A ``Content-Usage`` may begin with the path to which it applies.
    """

    def rule(match: re.Match[str]) -> str:
        path, _, rest = match[2].partition(" ") if match[2].startswith("/") else ("/", "", match[2])
        refused = refuses_training(rest) if match[1].lower().startswith("content") else None
        # An empty rule permits everything, but ends the user agents of its group. Permission for
        # all is no rule, since it would outweigh a refusal for all in another line.
        is_empty = refused is None or (not refused and path == "/")
        return "Disallow:" if is_empty else f"{'Disallow' if refused else 'Allow'}: {path}"

    # Preferences before the first user agent apply to all.
    return Protego.parse(f"User-agent: *\nDisallow:\n{_RULE.sub(rule, text)}")


def opt_out(headers: Iterable[str]) -> str | None:
    """Return the directive that forbids keeping an image, or ``None``.

    Args:
        headers: All ``X-Robots-Tag`` values of a response. A value may begin with the user agent to
            which it applies (``otherbot: noindex``).

    >>> opt_out(["otherbot: noindex", "max-image-preview: large, noai"])
    'noai'
    """
    for header in headers:
        addressed = True
        for part in header.lower().split(","):
            name, colon, rest = part.partition(":")
            directive = part.strip()
            if colon and name.strip() not in _VALUED:
                addressed = name.strip() in (ROBOT, "*")
                directive = rest.strip()
            if addressed and directive in _FORBIDDING:
                return directive
    return None
