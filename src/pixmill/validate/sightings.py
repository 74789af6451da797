"""Sightings by image: URLs, labels and predefined splits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pixmill.core.decisions import (
    MIN_ID_LENGTH,
    Decided,
    Names,
    Row,
    group_rows,
    is_id,
    match_images,
)
from pixmill.core.manifest import TEXT

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

Ranks = npt.NDArray[np.int8]
"""Indices in :data:`PARTS`."""

PARTS = ("", "train", "val", "test")
"""Predefined splits by rank, after the empty string for none."""

SEEN = ("id", "label", "page_url", "image_url", "given_split")
"""Required columns of the sightings."""


@dataclass(frozen=True)
class SightingIndex:
    """Sightings of the given images, as arrays with one entry per sighting.

    A sighting without a label, in the folder of unlabelled images, is left out if another one gives
    the image a label: a copy there changes nothing about it.

    Args:
        labelled: Whether a sighting gives each image a label; the only array with one entry per
            image.
        row: Row of the image.
        label: Code of the label.
        labels: Labels by code.
        address: Code of the URL of the image, or of its page if the image is inlined; -1 if neither
            is known.
        part: Index of the predefined split in :data:`PARTS`.
        addresses: URL of each sighting.
    """

    labelled: Flags
    row: Indices
    label: Indices
    labels: Texts
    address: Indices
    part: Ranks
    addresses: pa.ChunkedArray

    def kinds(self, sets: Indices, count: int, of: Indices) -> Indices:
        """Return the number of distinct values of each set of images.

        Args:
            sets: Set number of each image; -1 for none.
            count: Number of sets.
            of: Code of each sighting (``label`` or ``address``); negative codes are ignored.
        """
        return np.bincount(self.pairs(sets, of)[0], minlength=count)

    def pairs(self, sets: Indices, of: Indices) -> tuple[Indices, Indices]:
        """Return the distinct pairs of set and value, sorted, as two arrays."""
        found = sets[self.row]
        known = (found >= 0) & (of >= 0)
        width = int(of.max(initial=0)) + 1
        unique = np.unique(found[known] * width + of[known])
        return unique // width, unique % width

    def parts(self, count: int) -> tuple[Ranks, Ranks]:
        """Return the lowest and the highest predefined split of each image, 0 for none."""
        known = self.part > 0
        first = np.full(count, len(PARTS), np.int8)
        last = np.zeros(count, np.int8)
        np.minimum.at(first, self.row[known], self.part[known])
        np.maximum.at(last, self.row[known], self.part[known])
        return np.where(last > 0, first, 0).astype(np.int8), last

    def places(self, rows: Indices) -> pd.DataFrame:
        """Return the first ``address`` of each ``row`` and ``part`` for some images."""
        wanted = np.flatnonzero(np.isin(self.row, rows))
        found = pd.DataFrame({"row": self.row[wanted], "part": self.part[wanted], "place": wanted})
        found = found.drop_duplicates(["row", "part"]).sort_values(
            ["row", "part"], ignore_index=True
        )
        address = self.addresses.take(pa.array(found.pop("place")))
        return found.assign(address=address.to_pandas(types_mapper={pa.string(): TEXT}.get))


def collect_seen(ids: pd.Series[str], sightings: pd.DataFrame) -> SightingIndex:
    """Return an index of the sightings of some images.

    Args:
        ids: Image ids by row.
        sightings: Sightings with at least the columns of :data:`SEEN`; those of other images are
            ignored.
    """
    table = pa.Table.from_pandas(
        sightings[list(SEEN)],
        schema=pa.schema([(name, pa.string()) for name in SEEN]),
        preserve_index=False,
    )
    row = pc.index_in(table["id"], value_set=pa.array(ids, pa.string()))
    table = table.filter(row.is_valid())
    row = row.drop_null()
    has_label = table["label"].is_valid().to_numpy()
    labelled = np.zeros(len(ids), bool)
    labelled[_codes(row)[has_label]] = True
    counted = pa.array(has_label | ~labelled[_codes(row)])
    table = table.filter(counted)
    row = row.filter(counted)
    addresses = pc.coalesce(table["image_url"], table["page_url"])
    label, address = (
        column.combine_chunks().dictionary_encode() for column in (table["label"], addresses)
    )
    part = pc.index_in(table["given_split"], value_set=pa.array(PARTS))
    return SightingIndex(
        labelled=labelled,
        row=_codes(row),
        label=_codes(label.indices),
        labels=np.array(label.dictionary.to_pylist(), dtype=object),
        address=_codes(address.indices),
        part=np.maximum(_codes(part), 0).astype(np.int8),
        addresses=addresses,
    )


def _codes(values: pa.Array | pa.ChunkedArray) -> Indices:
    codes: Indices = pc.fill_null(values, -1).to_numpy().astype(np.int64)
    return codes


def match_decisions(
    rows: Sequence[Row],
    images: pd.DataFrame,
    sightings: pd.DataFrame,
    kind: type[Decided] = Decided,
) -> tuple[dict[str, Decided], list[Row]]:
    """Find the image of each row of decisions.

    Args:
        rows: The rows.
        images: ``id`` and ``path`` of all images.
        sightings: ``id`` and ``image_url`` of the sightings.
        kind: Of :data:`pixmill.core.decided_cells.DECIDED`. Default: that of one label an image.

    Returns:
        What is decided by image id, and the rows whose image does not exist.

    Raises:
        DecisionsError: A row matches several images.
    """
    # Nearly all rows name the id itself, and looking up others takes long.
    known = set(images["id"])
    others = [row for row in rows if row.image not in known]
    names = names_of({row.image for row in others}, images, sightings)
    decided = group_rows(rows, match_images(others, names), kind)
    gone = [name for name in decided if name not in known]
    return decided, [row for name in gone for row in decided.pop(name).rows]


def names_of(wanted: Collection[str], images: pd.DataFrame, sightings: pd.DataFrame) -> list[Names]:
    """Return the images that decisions may refer to, with their names.

    Args:
        wanted: Names of images in the decisions.
        images: ``id`` and ``path`` of all images.
        sightings: ``id`` and ``image_url`` of the sightings.
    """
    if not wanted:
        return []
    starts = {name[:MIN_ID_LENGTH] for name in wanted if is_id(name)}
    by_id = images.loc[images["id"].str[:MIN_ID_LENGTH].isin(starts), "id"]
    places: dict[str, list[str]] = {name: [] for name in by_id}
    for table, column in ((images, "path"), (sightings, "image_url")):
        named = table.loc[table[column].isin(wanted), ["id", column]].dropna()
        for name, place in named.itertuples(index=False):
            places.setdefault(name, []).append(place)
    existing = images.loc[images["id"].isin(set(places)), "id"]
    return [Names(name, tuple(dict.fromkeys(places[name]))) for name in existing]
