"""The search for what is like some pictures: candidates from the index, compared in full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.validate.greys import SIDE
from pixmill.validate.index import SAMPLE, Directions, Index
from pixmill.validate.links import Alike
from pixmill.validate.phash import perceptual_hashes
from pixmill.validate.similarity import Compared, as_compared, correlations, views

__all__ = ["Likeness", "Search"]

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Greys = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_ROWS = 64
"""Pictures whose views are held at a time (200 KB each)."""

_CANDIDATES = 128
"""The most pictures that each of some is compared with, on average. Where there are more, fewer are looked at together:
the first of them may stand for all that the others would have to be compared with."""

_PAIRS = 1 << 18
"""Pairs that are collected before those that came up several times are counted once (8 bytes each)."""

_FORGOTTEN = 0.2
"""The share of pictures that are no longer looked for which is worth a new index."""

_OTHERS = 4096
"""The most pictures that another is compared with at a time (5 KB each)."""

_HALF_A_STEP = 0.00005
"""Similarities are rounded to four decimals before they are compared."""


@dataclass(frozen=True)
class Likeness:
    """Say what counts as alike.

    Args:
        distance: The most bits by which a view's perceptual hash differs from that of a picture like it.
        similarity: The least correlation of a view with a picture like it.
        mirror: Whether the views of mirror images count.
    """

    distance: int
    similarity: float
    mirror: bool


class Search:
    """Find the pictures that some view of a picture is like.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32) or (n, 64, 64).
        places: The pictures that are looked for, at least one.
        kept: Those that are still looked for, of shape (n,). Others may write to it meanwhile.
        likeness: What counts.
    """

    def __init__(
        self, hashes: npt.NDArray[np.uint64], greys: Greys, places: Indices, kept: Flags, likeness: Likeness
    ) -> None:
        sample = places[np.linspace(0, len(places) - 1, min(len(places), SAMPLE)).astype(np.int64)]
        self._directions = Directions.of(as_compared(greys[sample]))
        parts = (places[start : start + _OTHERS] for start in range(0, len(places), _OTHERS))
        points = [self._directions.points(as_compared(greys[part]))[0] for part in parts]
        self._index = Index(np.concatenate(points), places)
        self._hashes, self._greys, self._kept = hashes, greys, kept
        self._likeness = likeness
        self._others = np.count_nonzero(kept) - len(places)

    def alike(self, ones: Indices, *, bounded: bool = True) -> Alike | None:
        """Return what is like some pictures, or nothing where there is too much to compare at a time.

        Args:
            ones: Their places, sorted.
            bounded: Whether there may be too much. For one picture there need not be.
        """
        ones = ones[self._kept[ones]]
        candidates = self._candidates(ones, bounded=bounded)
        if candidates is None:
            return None
        row, other = candidates
        rows, starts = np.unique(row, return_index=True)
        others = np.split(other, starts[1:])
        found: list[tuple[Indices, Indices, Floats]] = [(row[:0], other[:0], np.empty(0))]
        for begin in range(0, len(rows), _ROWS):
            some = ones[rows[begin : begin + _ROWS]]
            for number, seen in enumerate(self._views(some)):
                alike, similarity = self._compared(seen, others[begin + number])
                found.append((np.full(len(alike), some[number]), alike, similarity))
        one, other, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
        return Alike(one, other, similarity)

    def alike_in_parts(self, ones: Indices) -> Iterator[Alike]:
        """Yield what is like some pictures, in parts that are as large as can be compared at a time."""
        found = self.alike(ones, bounded=len(ones) > 1)
        if found is not None:
            yield found
        else:
            yield from self.alike_in_parts(ones[: len(ones) // 2])
            yield from self.alike_in_parts(ones[len(ones) // 2 :])

    def forget(self) -> None:
        """Look no more for pictures that are not kept, if there are many."""
        wanted = np.count_nonzero(self._kept) - self._others
        if wanted < (1 - _FORGOTTEN) * len(self._index):
            self._index = self._index.only(self._kept)

    def _views(self, places: Indices) -> Greys:
        return views(self._greys[places], mirror=self._likeness.mirror)

    def _candidates(self, ones: Indices, *, bounded: bool) -> tuple[Indices, Indices] | None:
        """Return which rows of some pictures may be like which pictures, sorted, or nothing where too many are."""
        points, rows = [], []
        for start in range(0, len(ones), _ROWS):
            seen = self._views(ones[start : start + _ROWS])
            some, lively = self._directions.points(seen.reshape(-1, SIDE, SIDE))
            points.append(some[lively])
            rows.append(start + np.flatnonzero(lively) // seen.shape[1])
        pairs = _Pairs(len(self._greys))
        if points:
            row_of = np.concatenate(rows)
            for query, other in self._index.near(np.concatenate(points), self._likeness.similarity - _HALF_A_STEP):
                row = row_of[query]
                wanted = self._kept[other] & (other != ones[row])
                pairs.add(row[wanted], other[wanted])
                if bounded and pairs.distinct > _CANDIDATES * len(ones):
                    return None
        return pairs.sorted()

    def _compared(self, seen: Greys, others: Indices) -> tuple[Indices, Floats]:
        """Return those of some pictures that a view is like, and how like."""
        compared = Compared.of(seen)
        best = np.zeros(len(others))
        for start in range(0, len(others), _OTHERS):
            some = others[start : start + _OTHERS]
            scores = correlations(compared, Compared.of(as_compared(self._greys[some])))
            near = scores >= self._likeness.similarity
            view = np.flatnonzero(near.any(axis=1))
            if len(view):
                bits = np.bitwise_count(perceptual_hashes(seen[view])[:, None] ^ self._hashes[some])
                near[view] &= bits <= self._likeness.distance
                best[start : start + _OTHERS] = np.where(near, scores, 0).max(axis=0)
        return others[best > 0], best[best > 0]


class _Pairs:
    """Collect pairs of which many come up several times.

    Args:
        count: The seconds of all pairs are below it.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._keys: list[Indices] = [np.empty(0, np.int64)]
        self._fresh = 0
        self.distinct = 0
        """How many different ones there were when they were counted last."""

    def add(self, one: Indices, other: Indices) -> None:
        """Add pairs."""
        self._keys.append(one * self._count + other)
        self._fresh += len(one)
        if self._fresh > _PAIRS:
            self._keys = [np.unique(np.concatenate(self._keys))]
            self._fresh, self.distinct = 0, len(self._keys[0])

    def sorted(self) -> tuple[Indices, Indices]:
        """Return the different pairs."""
        one, other = np.divmod(np.unique(np.concatenate(self._keys)), self._count)
        return one, other
