"""Base of sources with a public JSON API."""

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
    """A source with a public API; subclasses define the requests and the fields of a result."""

    kind: Kind = "api"

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a query for each text."""
        return [Query(label, words, self.address(words)) for words in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the results in the order of the API.

        Raises:
            SearchError: The API failed, returned an unknown response, or has no results.
        """
        rank = 0
        for result in self.results(query, access):
            yield Candidate(query.label, query.text, rank, route="json", **self.fields(result))
            rank += 1
        if rank == 0:
            raise SearchError("no_results", f"{query.address} has no results")

    def address(self, words: str) -> str:
        """Return the URL of the first response to a search."""
        ...

    def results(self, query: Query, access: Access) -> Iterator[dict[str, Any]]:
        """Yield the results of all responses, requesting each only when needed."""
        ...

    def fields(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a :class:`~pixmill.scrape.candidate.Candidate`."""
        ...


def ask_json(access: Access, url: str, ends: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON object at a URL of an API.

    Args:
        access: Network access.
        url: The URL.
        ends: Reasons of a refusal that mean the end of the results; an empty object is returned then.

    Raises:
        SearchError: The API failed, or the response is no JSON object.
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
    """Return the value at a path through objects and lists, or ``None``."""
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def text(value: object) -> str | None:
    """Return a value if it is a non-empty string, else ``None``."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a value if it is a positive integer, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
