"""The page for people: what came from where, what was refused and why, and a look at each class."""

from __future__ import annotations

import http
from collections.abc import Mapping
from pathlib import Path

from pixmill.pages.base import render_page
from pixmill.pages.base.thumbnails import Shown, thumbnails
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.image_store import Image
from pixmill.scrape.judge import LEFT_ALONE
from pixmill.scrape.run import ScrapeResult
from pixmill.scrape.tally import SearchTally

__all__ = ["render_report"]

_MEANINGS = {
    "archive": "An archive, not an image",
    "bad_data_uri": "An inlined image that cannot be decoded",
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
    "html": "A web page, not an image",
    "incomplete": "The answer broke off; tried again by the next run",
    "licence": "Its licence is unknown, or not among those that are wanted (scrape.licences)",
    "no_address": "The page never showed an address",
    "opted_out": "Its host is among those that are left alone (scrape.opt_out)",
    "pdf": "A document, not an image",
    "placeholder": "An image that says that there is none",
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
    "unknown": "Not an image in any format that is known",
    "unreadable": "A file that cannot be read",
    "wrong_md5": "Not the bytes that the list promises",
    "wrong_size": "Not as many bytes as the list promises",
    "x_robots_tag": "The site asks not to keep it (X-Robots-Tag)",
}


def render_report(result: ScrapeResult, output: Path) -> str:
    """Return ``reports/scrape.html``.

    Args:
        result: What scrape returned.
        output: The stage's folder, which holds the images.
    """
    tally = result.tally
    searches = list(tally.searches.values())
    counts = result.manifest["label"].value_counts()
    labels = list(dict.fromkeys(of_search.search.query.label for of_search in searches))
    samples = {label: list(tally.examples[label].items()) for label in labels}
    shown = {
        image: Shown(image.id, output / "images" / image.name) for of_class in samples.values() for image, _ in of_class
    }
    uris = thumbnails(shown.values())
    # The commonest first.
    refusals = [
        (reason, _meaning(reason), count, tally.refused_examples[reason])
        for reason, count in sorted(tally.refused.items(), key=lambda item: (-item[1], item[0]))
    ]
    return render_page(
        "pixmill.pages.scrape",
        "page.html",
        tally=tally,
        counts=[(label, int(counts.get(label, 0))) for label in labels],
        searches=searches,
        outcomes={of_search.search.name: _outcome(of_search) for of_search in searches},
        refusals=[refusal for refusal in refusals if refusal[0] not in LEFT_ALONE],
        robots=[refusal for refusal in refusals if refusal[0] in LEFT_ALONE],
        exceptions=result.params.robots_exceptions,
        remarks=result.remarks,
        samples={
            label: [_card(image, candidate, uris.get(shown[image])) for image, candidate in of_class]
            for label, of_class in samples.items()
        },
        snapshot=result.params.snapshot,
        sources=list(dict.fromkeys(of_search.search.source.name for of_search in searches)),
    )


def _outcome(of_search: SearchTally) -> tuple[str, str]:
    """Return the kind of badge, if any, and the words for what came of a search."""
    if of_search.failed:
        return "bad", of_search.failed.failure.replace("_", " ")
    if not of_search.counts.candidates:
        return "", "not needed"
    return ("good", "complete") if of_search.counts.fetched else ("warn", "all refused")


def _meaning(reason: str) -> str:
    status = reason.removeprefix("http_")
    if status == reason:
        return _MEANINGS.get(reason, "")
    phrases: Mapping[int, str] = {value.value: value.phrase for value in http.HTTPStatus}
    return f"The server answered {status} {phrases.get(int(status), '')}".rstrip()


def _card(image: Image, candidate: Candidate, uri: str | None) -> tuple[str | None, str, list[str]]:
    """Return what is shown of an example: its ``data:`` URI where it can be decoded, its title, and further lines."""
    lines = (candidate.price, candidate.licence, candidate.author and f"by {candidate.author}", image.id[:12])
    return uri, candidate.title or "untitled", [line for line in lines if line]
