"""What the sightings add to each image: at how many addresses it is, under which labels, in which given parts."""

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
"""Parts of a given split, from what may be lost first to what is held out longest; none before all."""

SEEN = ("id", "label", "page_url", "image_url", "given_split")
"""The columns of the sightings that are looked at."""


@dataclass(frozen=True)
class SightingIndex:
    """The sightings of the given images: arrays with one entry per sighting, in their order.

    Args:
        row: The row of the image.
        label: The code of the label.
        labels: The labels by code.
        address: The code of the address: the image's own, or its page's where it stands in the page itself; -1 where
            neither is known.
        part: The place in :data:`PARTS` of the part that people have put it into.
        addresses: The addresses themselves.
    """

    row: Indices
    label: Indices
    labels: npt.NDArray[np.object_]
    address: Indices
    part: npt.NDArray[np.int8]
    addresses: pa.ChunkedArray

    def kinds(self, sets: Indices, count: int, of: Indices) -> Indices:
        """Return how many different values each set of images was seen with.

        Args:
            sets: The number of each image's set; -1 where it is in none.
            count: How many sets there are.
            of: A code a sighting (``label`` or ``address``); what is below 0 does not count.
        """
        return np.bincount(self.pairs(sets, of)[0], minlength=count)

    def pairs(self, sets: Indices, of: Indices) -> tuple[Indices, Indices]:
        """Return each different pair of a set and a value, sorted: the sets, and the values."""
        found = sets[self.row]
        known = (found >= 0) & (of >= 0)
        width = int(of.max(initial=0)) + 1
        unique = np.unique(found[known] * width + of[known])
        return unique // width, unique % width

    def parts(self, count: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
        """Return for each of ``count`` images the first and the last given part that it lies in, 0 for none."""
        known = self.part > 0
        first, last = np.full(count, len(PARTS), np.int8), np.zeros(count, np.int8)
        np.minimum.at(first, self.row[known], self.part[known])
        np.maximum.at(last, self.row[known], self.part[known])
        return np.where(last > 0, first, 0).astype(np.int8), last

    def places(self, rows: Indices) -> pd.DataFrame:
        """Return where some images lie in each given part: ``row``, ``part`` and the first ``address``."""
        wanted = np.flatnonzero(np.isin(self.row, rows))
        found = pd.DataFrame({"row": self.row[wanted], "part": self.part[wanted], "place": wanted})
        found = found.drop_duplicates(["row", "part"]).sort_values(["row", "part"], ignore_index=True)
        address = self.addresses.take(pa.array(found.pop("place")))
        return found.assign(address=address.to_pandas(types_mapper={pa.string(): TEXT}.get))


def collect_seen(ids: pd.Series[str], sightings: pd.DataFrame) -> SightingIndex:
    """Return the sightings of some images.

    Args:
        ids: The images, one a row.
        sightings: Candidates, with at least the columns of :data:`SEEN`; what became no image is passed over.
    """
    table = pa.Table.from_pandas(
        sightings[list(SEEN)], schema=pa.schema([(name, pa.string()) for name in SEEN]), preserve_index=False
    )
    row = pc.index_in(table["id"], value_set=pa.array(ids, pa.string()))
    table, row = table.filter(row.is_valid()), row.drop_null()
    addresses = pc.coalesce(table["image_url"], table["page_url"])
    label, address = (column.combine_chunks().dictionary_encode() for column in (table["label"], addresses))
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
