"""``robots.txt`` (RFC 9309), checked before a fetch, and ``X-Robots-Tag``, checked after it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable

from protego import Protego
from yarl import URL

from pixmill.web.fetch.host import Host
from pixmill.web.fetch.values import Fetched, Refused

ROBOT = "pixmill"
"""Our user agent in ``robots.txt`` and ``X-Robots-Tag``."""

MAX_CRAWL_DELAY_SECONDS = 60.0
"""A host that asks for a longer delay between requests is skipped."""

_MAX_ORIGINS = 1024
"""Origins whose rules are cached: rules may be long, and URL lists may name a hundred thousand origins."""

_FORBIDDING = {"noai", "noimageai", "noimageindex", "noindex", "noml", "none"}
"""Directives that forbid keeping an image; ``none`` is short for ``noindex, nofollow``."""

_VALUED = {"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"}
"""Directives with a value after a colon; before any other colon stands a user agent."""

_UNAVAILABLE = re.compile(r"http_4(?!29)\d\d")
"""Outcomes that mean that there are no rules (RFC 9309, section 2.3.1.3); 429 does not."""

_UNREACHABLE = re.compile(r"http_.*|incomplete|encoding|bad_r.*|too_many_redirects")
"""Outcomes that mean that the rules are unknown."""


class Robots:
    """Fetch and cache the ``robots.txt`` of each origin.

    Args:
        get: Fetches a URL without checking ``robots.txt``; truncates a body that is too large.
    """

    def __init__(self, get: Callable[[str], Awaitable[Fetched | Refused]]) -> None:
        self._get = get
        self._rules: dict[str, asyncio.Task[Protego | Refused]] = {}

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
        rules = await asyncio.shield(self._rules[origin])
        if isinstance(rules, Refused):
            return rules
        delay = rules.crawl_delay(ROBOT) or 0.0
        if delay > MAX_CRAWL_DELAY_SECONDS:
            return Refused("crawl_delay", f"{origin}/robots.txt asks for {delay:g} s between requests")
        host.set_min_delay(delay)
        if rules.can_fetch(str(url), ROBOT):
            return None
        return Refused("robots", f"disallowed by {origin}/robots.txt")

    async def _read(self, origin: str) -> Protego | Refused:
        outcome = await self._get(f"{origin}/robots.txt")
        if isinstance(outcome, Fetched):
            return Protego.parse(outcome.content.decode("utf-8-sig", errors="replace"))
        if _UNAVAILABLE.fullmatch(outcome.reason):
            return Protego.parse("")
        if _UNREACHABLE.fullmatch(outcome.reason):
            return Refused("robots_unreachable", f"{origin}/robots.txt: {outcome.reason}", outcome.retry_after)
        return outcome

    async def close(self) -> None:
        """Cancel the fetches in progress."""
        for task in self._rules.values():
            task.cancel()
        await asyncio.gather(*self._rules.values(), return_exceptions=True)


def opt_out(headers: Iterable[str]) -> str | None:
    """Return the directive that forbids keeping an image, or ``None``.

    Args:
        headers: All ``X-Robots-Tag`` values of a response. A value may begin with the user agent to which it applies
            (``otherbot: noindex``).

    >>> opt_out(["otherbot: noindex", "max-image-preview: large, noai"])
    'noai'
    """
    for header in headers:
        addressed = True
        for part in header.lower().split(","):
            name, colon, rest = part.partition(":")
            directive = part.strip()
            if colon and name.strip() not in _VALUED:
                addressed, directive = name.strip() in (ROBOT, "*"), rest.strip()
            if addressed and directive in _FORBIDDING:
                return directive
    return None
