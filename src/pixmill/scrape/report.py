"""The page for people: what came from where, what was refused and why, and a look at each class."""

from __future__ import annotations

import http
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixmill.report import render_page
from pixmill.report.thumbnails import Shown, thumbnails
from pixmill.scrape.account import SearchTally
from pixmill.scrape.examples import Example, Examples
from pixmill.scrape.ledger import LEFT_ALONE
from pixmill.scrape.run import ScrapeResult

__all__ = ["render_report"]

_SHOWN = 900
"""Pictures on the page, which is to stay small with hundreds of classes too."""

_LEAST_SHOWN = 2
"""Of each class, however many there are."""

_MEANINGS = {
    "archive": "An archive, not a picture",
    "bad_data_uri": "An inlined picture that cannot be decoded",
    "bad_redirect": "A redirect to where no redirect may lead",
    "bad_response": "An answer that is not HTTP",
    "bad_url": "Not an http(s) address",
    "busy": "Its host asked for a longer pause than a scrape can keep; tried again by the next run",
    "connection": "No connection; tried again by the next run",
    "crawl_delay": "The site's robots.txt asks for longer pauses than a scrape can keep",
    "empty": "Nothing in it",
    "encoding": "Compressed in a way that nobody asked for",
    "folder": "A folder within a class's folder",
    "host_down": "Its host failed again and again and was left alone; tried again by the next run",
    "html": "A web page, not a picture",
    "incomplete": "The answer broke off; tried again by the next run",
    "licence": "Its licence is unknown, or not among those that are wanted (scrape.licences)",
    "no_address": "The page never showed an address",
    "opted_out": "Its host is among those that are left alone (scrape.opt_out)",
    "pdf": "A document, not a picture",
    "placeholder": "A picture that says that there is none",
    "private_address": "An address that is not on the public internet (for hosts of yours: scrape.allow_hosts)",
    "robots": "The site's robots.txt asks not to fetch it",
    "robots_unreachable": "The site's robots.txt could not be read, so nothing is fetched; tried again by the next run",
    "smaller_than_thumbnail": "An original that is smaller than its thumbnail",
    "special": "Not a regular file",
    "svg": "A drawing in SVG, which is not taken",
    "symlink": "A link that leads out of the folder",
    "timeout": "Not finished in time (scrape.timeout); tried again by the next run",
    "tls": "The site's certificate is not valid",
    "too_large": "Larger than scrape.max_bytes",
    "too_many_redirects": "Redirects without end",
    "unknown": "Not a picture in any format that is known",
    "unreadable": "A file that cannot be read",
    "wrong_md5": "Not the bytes that the list promises",
    "wrong_size": "Not as many bytes as the list promises",
    "x_robots_tag": "The site asks not to keep it (X-Robots-Tag)",
}


_FAILURES = {
    "blocked": "blocked",
    "browser": "browser lost",
    "captcha": "captcha",
    "consent": "consent wall",
    "endless": "endless page",
    "layout_changed": "layout changed",
    "no_results": "no results",
    "robots": "robots.txt",
    "stalled": "stopped early",
    "timeout": "did not load",
    "too_few": "too few",
    "unreachable": "unreachable",
}
"""What a failure is called on the page."""


@dataclass(frozen=True)
class _Refusals:
    """Hold the candidates whose original was refused for one reason."""

    reason: str
    meaning: str
    count: int
    examples: list[str]

    @property
    def more(self) -> int:
        """How many are not among the examples."""
        return self.count - len(self.examples)


@dataclass(frozen=True)
class _Sample:
    """Hold a picture of a class for the page; ``uri`` is ``None`` where it cannot be decoded."""

    uri: str | None
    title: str
    lines: list[str]


@dataclass(frozen=True)
class _Row:
    """Hold what came of one search, for the page; one that neither failed nor brought anything was not needed."""

    label: str
    source: str
    asked: str
    outcome: str
    begun: bool
    tally: SearchTally


def render_report(result: ScrapeResult, output: Path) -> str:
    """Return ``reports/scrape.html``.

    Args:
        result: What scrape returned.
        output: The stage's folder, which holds the pictures.
    """
    account = result.account
    counts = result.manifest["label"].value_counts()
    labels = list(dict.fromkeys(of_search.search.query.label for of_search in account.searches.values()))
    refusals = _refusals(result.examples)
    most = max(_LEAST_SHOWN, _SHOWN // max(1, len(labels)))
    samples = {label: result.examples.of(label)[:most] for label in labels}
    uris = thumbnails(_shown(example, output) for examples in samples.values() for example in examples)
    return render_page(
        "pixmill.scrape",
        "report.html",
        account=account,
        counts=[(label, int(counts.get(label, 0))) for label in labels],
        rows=[_row(of_search) for of_search in account.searches.values()],
        failing=account.failing,
        failures=_FAILURES,
        refusals=[refusal for refusal in refusals if refusal.reason not in LEFT_ALONE],
        robots=[refusal for refusal in refusals if refusal.reason in LEFT_ALONE],
        exceptions=result.params.robots_exceptions,
        remarks=result.remarks,
        samples={
            label: [_sample(example, uris.get(_shown(example, output))) for example in examples]
            for label, examples in samples.items()
        },
        snapshot=result.params.snapshot,
        sources=list(dict.fromkeys(of_search.search.source.name for of_search in account.searches.values())),
    )


def _row(of_search: SearchTally) -> _Row:
    query, failing = of_search.search.query, of_search.failing
    outcome = _FAILURES.get(failing.failure, failing.failure) if failing else ""
    asked = query.text or query.address
    return _Row(query.label, of_search.search.source.name, asked, outcome, bool(of_search.tally.candidates), of_search)


def _refusals(examples: Examples) -> list[_Refusals]:
    """Return the refused candidates by reason, the commonest first."""
    found = [
        _Refusals(reason, _meaning(reason), count, examples.refused[reason])
        for reason, count in examples.counts.items()
    ]
    return sorted(found, key=lambda refusals: (-refusals.count, refusals.reason))


def _meaning(reason: str) -> str:
    status = reason.removeprefix("http_")
    if status == reason:
        return _MEANINGS.get(reason, "")
    phrases: Mapping[int, str] = {value.value: value.phrase for value in http.HTTPStatus}
    return f"The server answered {status} {phrases.get(int(status), '')}".rstrip()


def _shown(example: Example, output: Path) -> Shown:
    return Shown(example.picture.id, output / "images" / example.picture.name)


def _sample(example: Example, uri: str | None) -> _Sample:
    said = (example.price, example.licence, example.author and f"by {example.author}", example.picture.id[:12])
    return _Sample(uri, example.title or "untitled", [line for line in said if line])
