"""Sightings by image: URLs, labels and predefined splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pixmill.core.manifest import TEXT

Indices = npt.NDArray[np.int64]

PARTS = ("", "train", "val", "test")
"""Predefined splits by rank, after the empty string for none."""

SEEN = ("id", "label", "page_url", "image_url", "given_split")
"""Required columns of the sightings."""


@dataclass(frozen=True)
class SightingIndex:
    """Sightings of the given images, as arrays with one entry per sighting.

    Args:
        row: Row of the image.
        label: Code of the label.
        labels: Labels by code.
        address: Code of the URL of the image, or of its page if the image is inlined; -1 if neither
            is known.
        part: Index of the predefined split in :data:`PARTS`.
        addresses: URL of each sighting.
    """

    row: Indices
    label: Indices
    labels: npt.NDArray[np.object_]
    address: Indices
    part: npt.NDArray[np.int8]
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

    def parts(self, count: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
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
    addresses = pc.coalesce(table["image_url"], table["page_url"])
    label, address = (
        column.combine_chunks().dictionary_encode() for column in (table["label"], addresses)
    )
    part = pc.index_in(table["given_split"], value_set=pa.array(PARTS))
    return SightingIndex(
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
