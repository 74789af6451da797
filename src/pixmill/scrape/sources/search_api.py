"""Searching the public API of a site, which answers with JSON objects."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import Failure, SearchError
from pixmill.scrape.sources.source import Access, Kind, Source
from pixmill.web.fetch import Refused

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
    "blocked": "set scrape.contact, lower scrape.rate, or retry later (images found so far are kept)",
    "timeout": "retry later (images found so far are kept)",
    "unreachable": "check the network, or retry later (images found so far are kept)",
}


class ApiSource(Source, Protocol):
    """Search an API; a subclass says how its answers are asked for, and what a result says."""

    kind: Kind = "api"

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text."""
        return [Query(label, words, self.address(words)) for words in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the results in the API's own order.

        Raises:
            SearchError: The API does not answer, answers something unknown, or has no results.
        """
        rank = 0
        for result in self.results(query, access):
            yield Candidate(query.label, query.text, rank, route="json", **self.fields(result))
            rank += 1
        if rank == 0:
            raise SearchError("no_results", f"{query.address} has no results")

    def address(self, words: str) -> str:
        """Return the address of the first answer to a search."""
        ...

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the results of all answers, no sooner than they are asked for."""
        ...

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what a result says, by the fields of :class:`~pixmill.scrape.candidate.Candidate`."""
        ...


def ask_json(access: Access, url: str, ends: Collection[str] = ()) -> dict[str, Any]:
    """Return the object that an API answers with.

    Args:
        access: The ways out.
        url: What is asked.
        ends: The reasons of a refusal that mean the end of the results: an object without anything is returned then.

    Raises:
        SearchError: It does not answer, or its answer is no JSON object.
    """
    answer = access.ask(url)
    if isinstance(answer, Refused):
        if answer.reason in ends:
            return {}
        failure = _FAILURES.get(answer.reason, "unreachable")
        detail = f" ({answer.detail})" if answer.detail else ""
        raise SearchError(failure, f"{url} failed: {answer.reason}{detail}", advice=_ADVICE.get(failure))
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SearchError("layout_changed", f"{url} did not return a JSON object")
    return content


def dig(value: Any, *path: str | int) -> Any:
    """Return what stands at a path through an answer's objects and lists, ``None`` where there is none."""
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def text(value: object) -> str | None:
    """Return a value of an answer where it is a text that says something, else ``None``."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a value of an answer where it is a positive whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
