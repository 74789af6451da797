"""What a scrape says of its counts, in sentences."""

from collections import Counter
from collections.abc import Iterator

from pixmill.scrape.collection.tally import ScrapeTally, SearchTally

_DOUBT = 10
"""Images of a search below which nothing is concluded of its thumbnails."""

_NAMED = 7
"""Hosts that are named."""


def summary(tally: ScrapeTally) -> str:
    """Return the counts of all candidates in one line."""
    total = tally.total
    refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(total.refused.items()))
    return (
        f"{tally.images:,} images from {total.candidates:,} candidates; {total.duplicates:,} "
        f"duplicates, {total.refused.total():,} refused{f' ({refused})' if refused else ''}"
        f"{f', {total.thumbnails:,} as thumbnails' if total.thumbnails else ''}"
    )


def remarks(tally: ScrapeTally) -> Iterator[str]:
    """Yield a sentence for each host that is not public, and each search that is short or brought small images."""
    for said, count in tally.not_public.most_common(_NAMED):
        yield f"{count:,} images refused: {said}"
    for one in tally.searches.values():
        if one.wanted is not None:
            yield (
                f"{one.search}: ended after {one.counts.candidates:,} of the {one.wanted:,} results that the site says "
                "it has; if it shows more, correct 'next', 'more' or 'offset' in its file of sites/, and change "
                "scrape.snapshot"
            )
        if remark := _thumbnails(one):
            yield f"{one.search}: {remark}"


def _thumbnails(one: SearchTally) -> str | None:
    dropped = one.counts.refused["only_thumbnail"]
    small, images = one.counts.thumbnails + dropped, one.counts.fetched + dropped
    if images < _DOUBT or 2 * small <= images:
        return None
    return (
        f"{small:,} of {images:,} images are thumbnails{' (left out)' if dropped else ''}: the originals were refused, "
        "or the file of the site needs other 'addresses', 'rewrite' or 'detail'; see: pixmill scrape --probe"
    )


def failures(tally: ScrapeTally) -> Iterator[str]:
    """Yield a line for each search that failed and each class without images, then what a person may do."""
    yield from map(str, tally.failed)
    named = {failed.search.query.label for failed in tally.failed}
    for label in tally.empty_classes:
        if label not in named:
            refused = sum((counts.refused for (of, _, _), counts in tally.parts.items() if of == label), Counter[str]())
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in refused.most_common())
            why = f"all candidates were refused ({reasons})" if refused else "no candidates were found"
            yield f"{label}: no images, because {why}"
    for failure, advice in tally.advice().items():
        yield f"{failure}: {advice}"
