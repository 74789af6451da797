"""Near-duplicates: candidates by perceptual hash, verified on their pixels, linked to groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.validate.similarity import correlations, is_flat, unit_vectors, views

__all__ = ["Links", "groups", "near_duplicates"]

Indices = npt.NDArray[np.int64]

_ROWS = 64
"""The most pictures whose views are held at a time (100 KB each)."""

_CELLS = 1 << 22
"""The most hash distances that are held at a time."""

_CANDIDATES = 4096
"""The most candidates that are compared with a picture at a time (4 KB each)."""


@dataclass(frozen=True)
class Links:
    """Hold verified pairs by the places of their pictures, sorted.

    Args:
        a: Place of the first picture of each pair.
        b: Place of the second, always behind the first.
        similarity: How alike they are, 0 to 1, to four decimals.
    """

    a: Indices
    b: Indices
    similarity: npt.NDArray[np.float64]


def near_duplicates(
    hashes: npt.NDArray[np.uint64], greys: npt.NDArray[np.uint8], *, distance: int, similarity: float
) -> Links:
    """Return the pairs of pictures that are near-duplicates.

    A perceptual hash alone takes look-alikes for duplicates; so pictures whose hashes are near are compared, the views
    of each with the other as it is (see :mod:`pixmill.validate.similarity`). Memory beyond the arguments is bounded,
    however many candidates there are.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32).
        distance: The most bits that hashes of compared pictures differ by.
        similarity: The least similarity of near-duplicates.
    """
    found: dict[tuple[int, int], float] = {}
    for one, others in _candidates(hashes, greys, distance):
        for start in range(0, len(others), _CANDIDATES):
            some = others[start : start + _CANDIDATES]
            scores = correlations(one.views, unit_vectors(greys[some])).max(axis=0).round(4)
            alike = scores >= similarity
            for other, score in zip(some[alike].tolist(), scores[alike].tolist(), strict=True):
                pair = (min(one.place, other), max(one.place, other))
                found[pair] = max(score, found.get(pair, 0.0))
    pairs = sorted(found)
    places = np.array(pairs, np.int64).reshape(-1, 2)
    return Links(a=places[:, 0], b=places[:, 1], similarity=np.array([found[pair] for pair in pairs], np.float64))


@dataclass(frozen=True)
class _Viewed:
    place: int
    views: npt.NDArray[np.float32]


def _candidates(
    hashes: npt.NDArray[np.uint64], greys: npt.NDArray[np.uint8], distance: int
) -> Iterator[tuple[_Viewed, Indices]]:
    """Yield each picture with the places of all others whose hashes are near: every pair comes up both ways."""
    # A flat picture is like none, and all flat ones share a hash.
    lively = np.flatnonzero(~is_flat(greys))
    step = max(1, min(_ROWS, _CELLS // max(1, len(lively))))
    for start in range(0, len(lively), step):
        rows = lively[start : start + step]
        near = np.bitwise_count(hashes[rows, None] ^ hashes[None, lively]) <= distance
        near[np.arange(len(rows)), np.arange(start, start + len(rows))] = False
        rows, near = rows[near.any(axis=1)], near[near.any(axis=1)]
        for row, is_near, seen in zip(rows.tolist(), near, views(greys[rows]), strict=True):
            yield _Viewed(row, seen), lively[is_near]


def groups(count: int, a: Indices, b: Indices) -> Indices:
    """Return for each of ``count`` pictures the first one that it is linked to, over any number of links.

    Args:
        count: How many pictures there are.
        a: Place of one picture of each link.
        b: Place of the other.

    Returns:
        The smallest place in each picture's connected component; its own where it has no link.
    """
    first = np.arange(count)
    while True:
        lower = first.copy()
        np.minimum.at(lower, a, first[b])
        np.minimum.at(lower, b, first[a])
        lower = lower[lower]
        if np.array_equal(lower, first):
            return first
        first = lower
