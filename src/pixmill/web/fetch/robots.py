"""What sites ask of crawlers: ``robots.txt`` before a fetch (RFC 9309), ``X-Robots-Tag`` after it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable

from protego import Protego
from yarl import URL

from pixmill.web.fetch.host import Host
from pixmill.web.fetch.values import Fetched, Refused

ROBOT = "pixmill"
"""The name that ``robots.txt`` and ``X-Robots-Tag`` call us by."""

LONGEST_DELAY = 60.0
"""Seconds between two images: a host that asks for more is not for collecting from."""

_KEPT = 1024
"""Origins whose rules are remembered: some rules are long, and some lists name a hundred thousand origins."""

_FORBIDDING = {"noai", "noimageai", "noimageindex", "noindex", "noml", "none"}
"""Directives after which an image is not kept; ``none`` is short for ``noindex, nofollow``."""

_VALUED = {"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"}
"""Directives that have a colon of their own, which names no robot."""

_UNAVAILABLE = re.compile(r"http_4(?!29)\d\d")
"""Answers that say "there are no rules" (RFC 9309, section 2.3.1.3). "Too many requests" says nothing of the kind."""

_UNANSWERED = re.compile(r"http_.*|incomplete|encoding|bad_r.*|too_many_redirects")


class Robots:
    """Remember the ``robots.txt`` of the latest origins, each of which is fetched once.

    Args:
        get: Fetches a URL without asking for permission; a body that is too large comes cut.
    """

    def __init__(self, get: Callable[[str], Awaitable[Fetched | Refused]]) -> None:
        self._get = get
        self._rules: dict[str, asyncio.Task[Protego | Refused]] = {}

    async def refusal(self, url: URL, host: Host) -> Refused | None:
        """Return why a URL must not be fetched, or ``None`` where it may.

        Rules that cannot be had forbid everything (RFC 9309, section 2.3.1.4).

        Args:
            url: An http(s) URL.
            host: Its host, which learns the distance that the rules ask for (``Crawl-delay``).
        """
        if host.robots_aside:
            return None
        origin = f"{url.scheme}://{url.raw_authority}"
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._read(origin))
            if len(self._rules) > _KEPT:
                del self._rules[next(iter(self._rules))]
        # Shielded: whoever waits may give up, and others wait for the same rules.
        rules = await asyncio.shield(self._rules[origin])
        if isinstance(rules, Refused):
            return rules
        delay = rules.crawl_delay(ROBOT) or 0.0
        if delay > LONGEST_DELAY:
            return Refused("crawl_delay", f"{origin}/robots.txt asks for {delay:g} s between requests")
        host.keep_distance(delay)
        if rules.can_fetch(str(url), ROBOT):
            return None
        return Refused("robots", f"disallowed by {origin}/robots.txt")

    async def _read(self, origin: str) -> Protego | Refused:
        outcome = await self._get(f"{origin}/robots.txt")
        if isinstance(outcome, Fetched):
            return Protego.parse(outcome.content.decode("utf-8-sig", errors="replace"))
        if _UNAVAILABLE.fullmatch(outcome.reason):
            return Protego.parse("")
        if _UNANSWERED.fullmatch(outcome.reason):
            return Refused("robots_unreachable", f"{origin}/robots.txt: {outcome.reason}", outcome.retry_after)
        return outcome

    async def close(self) -> None:
        """Give up the fetches that are under way."""
        for task in self._rules.values():
            task.cancel()
        await asyncio.gather(*self._rules.values(), return_exceptions=True)


def opt_out(headers: Iterable[str]) -> str | None:
    """Return the directive by which a site forbids to keep an image, or ``None``.

    Args:
        headers: All values of ``X-Robots-Tag`` in a response. A value may begin with the name of the only robot that it
            addresses (``otherbot: noindex``).

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
