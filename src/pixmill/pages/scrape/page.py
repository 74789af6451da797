"""The page of the stage: images by source, refusals by reason, and samples of each class."""

import http
from collections.abc import Mapping
from pathlib import Path

from pixmill.images import OTHER_FORMATS
from pixmill.pages.base import render_page
from pixmill.pages.base.thumbnails import Thumbnail, thumbnails
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collection.judge import LEFT_ALONE
from pixmill.scrape.collection.run import ScrapeResult
from pixmill.scrape.collection.tally import SearchTally
from pixmill.scrape.image_store import StoredImage

_MEANINGS = {
    "archive": "An archive, not an image",
    "bad_data_uri": "An inlined image that cannot be decoded",
    "bad_redirect": "A redirect to a URL that is not allowed",
    "bad_response": "An invalid HTTP response",
    "bad_url": "Not an http(s) URL",
    "busy": "Rate-limited: its Retry-After is longer than a scrape waits; retry: dvc repro -f scrape",
    "connection": "Connection failed; retry: dvc repro -f scrape",
    "crawl_delay": "The Crawl-delay of the site's robots.txt is longer than a scrape can wait",
    "empty": "An empty file",
    "encoding": "Compressed in a way that was not requested",
    "folder": "A folder within a class's folder",
    "host_down": "The host failed repeatedly, so it was skipped; retry: dvc repro -f scrape",
    "html": "A web page, not an image",
    "incomplete": "The download broke off; retry: dvc repro -f scrape",
    "licence": "Licence unknown, or not in scrape.licences",
    "no_address": "No page showed the URL of the original",
    "only_thumbnail": "Small, or smaller than its results page says (a site's addresses or detail may give larger)",
    "opted_out": "The host is in scrape.opt_out",
    "pdf": "A PDF document, not an image",
    "placeholder": "A known placeholder image (“no image available”)",
    "private_address": "Not a public internet address (allow your own hosts in scrape.allow_hosts)",
    "robots": "Disallowed by the site's robots.txt",
    "robots_unreachable": "The site's robots.txt could not be read, so nothing was fetched; retry: dvc repro -f scrape",
    "smaller_than_thumbnail": "The original is smaller than its thumbnail",
    "special": "Not a regular file",
    "svg": "An SVG drawing, which is not supported",
    "symlink": "A symbolic link that leads out of the folder",
    "timeout": "Timed out (scrape.timeout); retry: dvc repro -f scrape",
    "tls": "The site's TLS certificate is not valid",
    "too_large": "Larger than scrape.max_bytes",
    "too_many_redirects": "Too many redirects",
    "unknown": "Not a known image format",
    "unreadable": "The file cannot be read",
    "wrong_md5": "The MD5 differs from the one in the list",
    "wrong_size": "The size differs from the one in the list",
    "x_robots_tag": "The site asks not to keep it (X-Robots-Tag)",
    **{name: f"{title}, a format that is not read" for name, title in OTHER_FORMATS.items()},
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
        image: Thumbnail(image.id, output / "images" / image.name)
        for of_class in samples.values()
        for image, _ in of_class
    }
    uris = thumbnails(shown.values())
    # Most frequent first.
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
        reached=[host for host, why in result.hosts.items() if not why],
        unreached=[(host, why) for host, why in result.hosts.items() if why],
        samples={
            label: [_card(image, candidate, uris.get(shown[image])) for image, candidate in of_class]
            for label, of_class in samples.items()
        },
        snapshot=result.params.snapshot,
        sources=list(dict.fromkeys(of_search.search.source.name for of_search in searches)),
    )


def _outcome(of_search: SearchTally) -> tuple[str, str]:
    """Return the kind of badge, if any, and the outcome of a search in words."""
    if of_search.failed:
        return "bad", of_search.failed.failure.replace("_", " ")
    if not of_search.counts.candidates:
        return "", "not needed"
    if of_search.wanted is not None:
        return "warn", f"{of_search.counts.candidates:,} of {of_search.wanted:,}"
    if not of_search.counts.fetched:
        return "warn", "all refused"
    return "good", "ended" if of_search.has_unknown_end else "complete"


def _meaning(reason: str) -> str:
    status = reason.removeprefix("http_")
    if status == reason:
        return _MEANINGS.get(reason, "")
    phrases: Mapping[int, str] = {value.value: value.phrase for value in http.HTTPStatus}
    return f"HTTP {status} {phrases.get(int(status), '')}".rstrip()


def _card(image: StoredImage, candidate: Candidate, uri: str | None) -> tuple[str | None, str, list[str]]:
    """Return what is shown of an example: its ``data:`` URI where it can be decoded, its title, and further lines."""
    lines = (candidate.price, candidate.licence, candidate.author and f"by {candidate.author}", image.id[:12])
    return uri, candidate.title or "untitled", [line for line in lines if line]
