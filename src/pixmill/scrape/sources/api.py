"""Asking the public API of a site: a JSON object, or why there is none."""

from __future__ import annotations

import json
from typing import Any

from pixmill.fetch import Refused
from pixmill.scrape.sources.failure import Failure, SearchFailed
from pixmill.scrape.sources.source import Access

__all__ = ["Refusal", "ask_json", "number", "text"]

_FAILURES: dict[str, Failure] = {
    "busy": "blocked",
    "http_401": "blocked",
    "http_403": "blocked",
    "http_429": "blocked",
    "http_503": "blocked",
    "opted_out": "robots",
    "timeout": "timeout",
}
_ADVICE: dict[Failure, str] = {
    "blocked": "say in scrape.contact who asks, lower scrape.rate, or go on later (what was found is kept)",
    "timeout": "go on later (what was found is kept)",
    "unreachable": "look at the network, or go on later (what was found is kept)",
}


class Refusal(SearchFailed):
    """Tell that an API gave no answer.

    Args:
        url: What was asked.
        refused: Why there was no answer.
    """

    def __init__(self, url: str, refused: Refused) -> None:
        failure = _FAILURES.get(refused.reason, "unreachable")
        detail = f" ({refused.detail})" if refused.detail else ""
        super().__init__(failure, f"{url} gave no answer: {refused.reason}{detail}", advice=_ADVICE.get(failure))
        self.url = url
        self.refused = refused

    def __reduce__(self) -> tuple[object, ...]:
        return (Refusal, (self.url, self.refused))


def ask_json(access: Access, url: str) -> dict[str, Any]:
    """Return the object that an API answers with.

    Raises:
        Refusal: It does not answer.
        SearchFailed: Its answer is no JSON object.
    """
    answer = access.ask(url)
    if isinstance(answer, Refused):
        raise Refusal(url, answer)
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SearchFailed("layout_changed", f"{url} answered with something else than a JSON object")
    return content


def text(value: object) -> str | None:
    """Return a value of an answer where it is a text that says something, else ``None``."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a value of an answer where it is a positive whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
