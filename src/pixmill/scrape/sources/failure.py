"""Why a search did not answer as it should, in one word for tables and a sentence for people."""

from __future__ import annotations

from typing import Literal

from pixmill.errors import ScrapeError
from pixmill.fetch.outcome import legible

__all__ = ["Failure", "SearchFailed"]

Failure = Literal[
    "blocked",
    "captcha",
    "consent",
    "endless",
    "layout_changed",
    "no_results",
    "robots",
    "stalled",
    "timeout",
    "too_few",
    "unreachable",
]
"""What a search fails of.

``blocked``: the site refuses programs, or asks for a pause; ``captcha``: it asks for a proof of being human;
``consent``: it asks for a consent that could not be given; ``endless``: the page goes on without an end;
``layout_changed``: the page holds nothing that the selectors find; ``no_results``: the site says that there are none;
``robots``: its ``robots.txt`` asks programs to stay away; ``stalled``: the page stopped before its end; ``timeout``: it
did not load in time; ``too_few``: fewer candidates than ``scrape.expect_at_least``; ``unreachable``: there is no
network, or no such host.
"""

_LONGEST = 8192
"""Characters of a message: room for an address of any length that is asked for, and what came of it."""


class SearchFailed(ScrapeError):  # noqa: N818 (an outcome that the crawl takes down)
    """Tell why a search did not answer as it should.

    Args:
        failure: The word for tables.
        message: What happened, with the URL. It may quote the site: characters that would not show, or could lead a
            terminal astray, are escaped, and what is endless is cut.
        advice: What a person may do, told once for many searches that fail alike.
        evidence: The folder with the saved page and its screenshot, for messages.
    """

    def __init__(
        self, failure: Failure, message: str, *, advice: str | None = None, evidence: str | None = None
    ) -> None:
        said = legible(message[:_LONGEST])
        super().__init__(said if len(message) <= _LONGEST else f"{said}…")
        self.failure: Failure = failure
        self.advice = advice
        self.evidence = evidence

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.failure, self.message, self.advice, self.evidence))


def _rebuild(failure: Failure, message: str, advice: str | None, evidence: str | None) -> SearchFailed:
    return SearchFailed(failure, message, advice=advice, evidence=evidence)
