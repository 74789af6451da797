"""The page for people: what came from where, what was refused and why, and a look at each class."""

from __future__ import annotations

import http
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.images import Undecodable, decode
from pixmill.images.thumbnail import thumbnail_uri
from pixmill.report import render_page
from pixmill.scrape.run import ScrapeResult

__all__ = ["render_report"]

_SAMPLES = 7
"""Pictures of a class on the page."""

_EXAMPLES = 3
"""Refused candidates of each reason on the page."""

_ROBOTS = ("robots", "robots_unreachable", "x_robots_tag")

_MEANINGS = {
    "archive": "An archive, not a picture",
    "bad_data_uri": "An inlined picture that cannot be decoded",
    "bad_redirect": "A redirect to where no redirect may lead",
    "bad_response": "An answer that is not HTTP",
    "bad_url": "Not an http(s) address",
    "connection": "No connection; tried again by the next run",
    "empty": "Nothing in it",
    "encoding": "Compressed in a way that nobody asked for",
    "folder": "A folder within a class's folder",
    "html": "A web page, not a picture",
    "incomplete": "The answer broke off; tried again by the next run",
    "no_address": "The page never showed an address",
    "pdf": "A document, not a picture",
    "private_address": "An address that is not on the public internet",
    "robots": "The site's robots.txt asks not to fetch it",
    "robots_unreachable": "The site's robots.txt could not be read, so nothing is fetched; tried again by the next run",
    "special": "Not a regular file",
    "svg": "A drawing in SVG, which is not taken",
    "symlink": "A link that leads out of the folder",
    "timeout": "Not finished in time (scrape.timeout); tried again by the next run",
    "tls": "The site's certificate is not valid",
    "too_large": "Larger than scrape.max_bytes",
    "too_many_redirects": "Redirects without end",
    "unknown": "Not a picture in any format that is known",
    "unreadable": "A file that cannot be read",
    "x_robots_tag": "The site asks not to keep it (X-Robots-Tag)",
}


@dataclass(frozen=True)
class _Refusals:
    """Hold the candidates that were refused for one reason."""

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


def render_report(result: ScrapeResult, output: Path) -> str:
    """Return ``reports/scrape.html``.

    Args:
        result: What scrape returned.
        output: The stage's folder, which holds the pictures.
    """
    counts = result.manifest["label"].value_counts()
    labels = list(dict.fromkeys([*result.sightings["label"], *result.failures]))
    refusals = _refusals(result.sightings)
    return render_page(
        "pixmill.scrape",
        "report.html",
        account=result.account,
        counts=[(label, int(counts.get(label, 0))) for label in labels],
        failures=result.failures,
        refusals=[refusal for refusal in refusals if refusal.reason not in _ROBOTS],
        robots=[refusal for refusal in refusals if refusal.reason in _ROBOTS],
        samples={label: _samples(result, label, output) for label in labels},
        snapshot=result.snapshot,
        source=result.source,
    )


def _refusals(sightings: pd.DataFrame) -> list[_Refusals]:
    """Return the refused candidates by reason, the commonest first."""
    refused = sightings[sightings["reason"].notna()]
    found = []
    for reason, rows in refused.groupby("reason", sort=True):
        addresses = (str(row.image_url or f"inlined in {row.page_url}") for row in rows.itertuples(index=False))
        examples = list(islice(addresses, _EXAMPLES))
        found.append(_Refusals(str(reason), _meaning(str(reason)), len(rows), examples))
    return sorted(found, key=lambda refusals: (-refusals.count, refusals.reason))


def _meaning(reason: str) -> str:
    status = reason.removeprefix("http_")
    if status == reason:
        return _MEANINGS.get(reason, "")
    phrases: Mapping[int, str] = {value.value: value.phrase for value in http.HTTPStatus}
    return f"The server answered {status} {phrases.get(int(status), '')}".rstrip()


def _samples(result: ScrapeResult, label: str, output: Path) -> list[_Sample]:
    """Return the first pictures that were found for a class."""
    seen = result.sightings[(result.sightings["label"] == label) & result.sightings["id"].notna()]
    first = seen.drop_duplicates("id").head(_SAMPLES)
    return [
        _sample(row, output) for row in first.merge(result.manifest[["id", "path"]], on="id").itertuples(index=False)
    ]


def _sample(row: Any, output: Path) -> _Sample:
    try:
        uri = thumbnail_uri(decode((output / row.path).read_bytes()).pixels)
    except Undecodable:
        uri = None
    return _Sample(uri, row.title or "untitled", [line for line in (row.price, row.id[:12]) if line])
