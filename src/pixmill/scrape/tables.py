"""The manifest and the sightings: the two tables that a scrape leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pixmill.manifest import SCRAPED, SIGHTINGS
from pixmill.scrape.crawl import Sighting
from pixmill.scrape.pictures import Picture

__all__ = ["manifest_table", "sightings_table"]


def sightings_table(sightings: Sequence[Sighting], *, source: str) -> pd.DataFrame:
    """Return one row a candidate: the picture that it is, or the reason why it was refused.

    Args:
        sightings: All of them, in the order of the classes, then by rank.
        source: The name of where they are from.
    """
    rows = [
        {
            "id": outcome.id if isinstance(outcome, Picture) else None,
            "label": candidate.label,
            "source": source,
            "query": candidate.query,
            "rank": candidate.rank,
            "page_url": candidate.page_url,
            "image_url": _named(candidate.image_url),
            "title": candidate.title,
            "price": candidate.price,
            "thumbnail": candidate.thumbnail,
            "reason": None if isinstance(outcome, Picture) else outcome.reason,
        }
        for candidate, outcome in sightings
    ]
    return pd.DataFrame(rows, columns=SIGHTINGS.names, dtype=object)


def manifest_table(sightings: Sequence[Sighting], *, source: str, snapshot: str) -> pd.DataFrame:
    """Return one row a picture, sorted by id, with the provenance of its first sighting.

    The label is null where sightings disagree: which of them is right is for people to say.

    Args:
        sightings: All of them, in the order of the classes, then by rank.
        source: The name of where they are from.
        snapshot: The date that the pictures stand for.
    """
    rows: dict[str, dict[str, object]] = {}
    for candidate, outcome in sightings:
        if not isinstance(outcome, Picture):
            continue
        first = rows.setdefault(
            outcome.id,
            {
                "id": outcome.id,
                "label": candidate.label,
                "path": f"images/{outcome.name}",
                "bytes": outcome.size,
                "format": outcome.format,
                "source": source,
                "query": candidate.query,
                "page_url": candidate.page_url,
                "image_url": _named(candidate.image_url),
                "licence": None,
                "author": None,
                "snapshot": snapshot,
            },
        )
        if first["label"] != candidate.label:
            first["label"] = None
    return pd.DataFrame([rows[key] for key in sorted(rows)], columns=SCRAPED.names, dtype=object)


def _named(image_url: str | None) -> str | None:
    """Return an address that names a place; a ``data:`` URI is the picture itself, which the manifest has."""
    return None if image_url is None or image_url[:5].lower() == "data:" else image_url
