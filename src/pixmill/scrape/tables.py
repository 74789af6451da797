"""The manifest and the sightings: the two tables that a scrape leaves behind, written as the sightings go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pyarrow as pa

from pixmill.manifest import SCRAPED, SIGHTINGS, TableWriter
from pixmill.scrape.sighting import Sighting

__all__ = ["ManifestTable", "SightingsTable"]

_ROWS = 8192
"""Rows that are held as Python objects before they become columns, which are several times smaller."""


class SightingsTable:
    """Write one row a candidate: the picture that it is, or the reason why it was refused; a context manager.

    Args:
        path: The file, there only once the block has ended well.
    """

    def __init__(self, path: Path) -> None:
        self._writer = TableWriter(path, SIGHTINGS)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._writer.write(self._rows)
        except BaseException as failure:
            self._writer.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._writer.__exit__(kind, error, trace)

    def add(self, sighting: Sighting) -> None:
        """Add a row."""
        self._rows.append(_sighting_row(sighting))
        if len(self._rows) >= _ROWS:
            self._writer.write(self._rows)
            self._rows.clear()


class ManifestTable:
    """Gather one row a picture, with the provenance of its first sighting.

    Args:
        snapshot: The date that the pictures stand for.
    """

    def __init__(self, snapshot: str) -> None:
        self._snapshot = snapshot
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, sighting: Sighting) -> None:
        """Add the first sighting of a picture."""
        self._rows.append(_picture_row(sighting, self._snapshot))
        if len(self._rows) >= _ROWS:
            self._settle()

    def frame(self, label: Callable[[str], str | None]) -> pd.DataFrame:
        """Return the table, sorted by id; what was gathered is given away with it.

        Args:
            label: Tells the class of a picture by its id; ``None`` where its sightings disagree.
        """
        self._settle()
        table = pa.Table.from_batches(self._batches, SCRAPED)
        self._batches.clear()  # A million rows need not be held twice.
        table = table.sort_by("id")
        labels = pa.array((label(name.as_py()) for name in table["id"]), pa.string())
        table = table.set_column(SCRAPED.get_field_index("label"), SCRAPED.field("label"), labels)
        frame: pd.DataFrame = table.to_pandas(types_mapper=_TYPES.get)
        return frame

    def _settle(self) -> None:
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, SCRAPED))
        self._rows.clear()


_TYPES: Mapping[pa.DataType, Any] = {pa.string(): pd.StringDtype("pyarrow", na_value=pd.NA)}


def _sighting_row(sighting: Sighting) -> dict[str, Any]:
    candidate = sighting.candidate
    return {
        "id": sighting.picture.id if sighting.picture else None,
        "label": candidate.label,
        "source": sighting.source,
        "query": candidate.query,
        "rank": candidate.rank,
        "page_url": candidate.page_url,
        "image_url": _named(candidate.image_url),
        "thumbnail_url": _named(candidate.thumbnail_url),
        "title": candidate.title,
        "price": candidate.price,
        "width": candidate.width,
        "height": candidate.height,
        "licence": candidate.licence,
        "author": candidate.author,
        "given_split": candidate.given_split,
        "route": candidate.route,
        "thumbnail": sighting.thumbnail,
        "reason": sighting.refused.reason if sighting.refused else None,
    }


def _picture_row(sighting: Sighting, snapshot: str) -> dict[str, Any]:
    candidate, picture = sighting.candidate, sighting.picture
    if picture is None:
        raise ValueError(f"expected a picture, received {sighting}")
    return {
        "id": picture.id,
        "label": candidate.label,
        "path": f"images/{picture.name}",
        "bytes": picture.size,
        "format": picture.format,
        "source": sighting.source,
        "query": candidate.query,
        "page_url": candidate.page_url,
        "image_url": _named(candidate.thumbnail_url if sighting.thumbnail else candidate.image_url),
        "licence": candidate.licence,
        "author": candidate.author,
        "given_split": candidate.given_split,
        "snapshot": snapshot,
    }


def _named(url: str | None) -> str | None:
    """Return an address that names a place; a ``data:`` URI is the picture itself, which the manifest has."""
    return None if url is None or url[:5].lower() == "data:" else url
