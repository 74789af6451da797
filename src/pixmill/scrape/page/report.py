"""The page of scrape: samples and counts of each class, queries, hosts and refusals."""

import http
from pathlib import Path

from pixmill.core.cells import by_label
from pixmill.images.formats import OTHER_FORMATS
from pixmill.pages import render_page
from pixmill.pages.thumbnails import Thumbnail, thumbnails
from pixmill.scrape.collection.collector import LEFT_ALONE
from pixmill.scrape.collection.run import ScrapeResult
from pixmill.scrape.collection.tally import SearchTally

_MAX_SAMPLED_CLASSES = 12
"""Classes with sample images on the page."""


def render_report(result: ScrapeResult, output: Path, *, root: Path | None = None) -> str:
    """Return ``reports/scrape.html``.

    Args:
        result: Result of the scrape.
        output: Folder of the stage, with the images.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    tally = result.tally
    searches = list(tally.searches.values())
    counts = by_label(result.manifest[["label"]].dropna())["label"].value_counts()
    labels = tally.labels()
    samples = {
        label: list(tally.examples[label].items()) for label in labels[:_MAX_SAMPLED_CLASSES]
    }
    shown = {
        image: Thumbnail(image.id, output / "images" / image.name)
        for of_class in samples.values()
        for image, _ in of_class
    }
    uris = thumbnails(shown.values())
    refusals = [
        (reason, _status(reason), count, tally.refused_examples[reason])
        for reason, count in sorted(tally.refused.items(), key=lambda item: (-item[1], item[0]))
    ]
    sources = list(dict.fromkeys(of_search.search.source.name for of_search in searches))
    return render_page(
        "pixmill.scrape.page",
        "page.html",
        root=root,
        tally=tally,
        formats=OTHER_FORMATS,
        counts=[(label, int(counts.get(label, 0))) for label in labels],
        searches=searches,
        outcomes={of_search.search.name: _outcome(of_search) for of_search in searches},
        refusals=[refusal for refusal in refusals if refusal[0] not in LEFT_ALONE],
        robots=[refusal for refusal in refusals if refusal[0] in LEFT_ALONE],
        exceptions=result.params.robots_exceptions,
        remarks=result.remarks,
        samples=samples,
        uris={image.id: uris.get(thumbnail) for image, thumbnail in shown.items()},
        snapshot=result.params.snapshot,
        sources=sources,
        is_local=sources == ["folder"],
    )


def _outcome(of_search: SearchTally) -> tuple[str, str]:
    """Return the kind of badge (empty for none) and the text for the outcome of a search."""
    if of_search.failed:
        return "bad", of_search.failed.failure.replace("_", " ")
    if not of_search.counts.candidates:
        return "", "not needed"
    if of_search.wanted is not None:
        return "warn", f"{of_search.counts.candidates:,} of {of_search.wanted:,}"
    if not of_search.counts.fetched:
        return "warn", "all refused"
    return "good", "complete"


def _status(reason: str) -> str:
    """Return the phrase of an HTTP status such as ``http_404``; empty for other reasons."""
    status = reason.removeprefix("http_")
    phrases = {str(value.value): value.phrase for value in http.HTTPStatus}
    return "" if status == reason else f"HTTP {status} {phrases.get(status, '')}".rstrip()
