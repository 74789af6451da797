"""Near-duplicate search: find all pairs of images where a view of one matches the other.

Views of an image are the image itself and slightly cropped, brightened or, optionally, mirrored
versions (see :mod:`.similarity`). Two images are near-duplicates if, for some view of one, the
view's perceptual hash is near the other image's hash, and its pixels correlate with those of the
other image. Views have their own hashes, because a crop at a corner changes more bits than the
difference between two products.

The search is exhaustive. :class:`Index` is an exact filter by projection to principal directions:
images are unit vectors of 1,024 mean-centred greys, so a correlation of s is a distance of sqrt(2 -
2 s). A projection never increases a distance. Therefore images that are near in 1,024 dimensions
are also near in the first :data:`DIRECTIONS` principal directions plus the length of the remainder:
none is missed, and few others need a full comparison. The choice of directions does not affect
results. The points are divided into cells by their nearest centre. For a point within r of a query,
the squared distances from the query to the point's centre and to the nearest centre differ by at
most 2 r times the distance between the two centres; other cells are skipped. The time of the search
grows more slowly than the square of the number of images, and its memory by some 250 bytes per
image.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pixmill.images.compute import default_workers
from pixmill.images.likeness.groups import (
    Flags,
    Indices,
    PairCollector,
    Similarities,
    VerifiedPairs,
)
from pixmill.images.likeness.hashing import SIDE, Greys, perceptual_hashes
from pixmill.images.likeness.similarity import Compared, Floats, correlations, is_flat, views

DIRECTIONS = 48
"""Number of principal directions.

32 leave twice as many images to compare, 64 cost more than they save.
"""

_SAMPLE_SIZE = 512
"""Images from which the directions are computed."""

_CELL_FACTOR = 2
"""Number of cells divided by the square root of the number of points."""

_BLOCK_SIZE = 1024
"""Maximum points that are compared with the centres at a time."""

_MAX_PRODUCTS = 1 << 20
"""Maximum products of queries and points in memory (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""Tolerance for products of unit vectors, a hundred times the actual rounding error."""

Matches = list[tuple[int, Indices, Similarities]]
_FIRST_BATCH = 64
"""Images in the first batch; the following ones double.

In a large set of near-duplicates the first images become
representatives, and the repeated ones need not be searched for.
"""

_TASK_SIZE = 512
"""Images that a thread searches for at a time (20 KB each)."""

_COMPARED = 4096
"""Maximum images that one is compared with at a time (5 KB each)."""

_ROUNDING = 0.00005
"""Maximum rounding error of a similarity, which has four decimals."""


class Index:
    """Index of images whose greys may correlate with given views.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        places: Images to index, at least one, in random order, none of them flat.
    """

    def __init__(self, greys: Greys, places: Indices) -> None:
        sample = _unit_vectors(greys[places[_spread(len(places), _SAMPLE_SIZE)]])
        self._basis = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][
            :DIRECTIONS
        ].T
        blocks = range(0, len(places), _BLOCK_SIZE)
        points = np.concatenate(
            [self.points(greys[places[start : start + _BLOCK_SIZE]]) for start in blocks]
        )
        self._centres = points[_spread(len(points), round(_CELL_FACTOR * len(points) ** 0.5))]
        self._centre_distances = np.sqrt(np.maximum(0, 2 - 2 * (self._centres @ self._centres.T)))
        nearest = [
            (points[start : start + _BLOCK_SIZE] @ self._centres.T).argmax(axis=1)
            for start in blocks
        ]
        cell = np.concatenate(nearest)
        order = np.argsort(cell, kind="stable")
        self._places = places[order]
        self._points = points[order]
        self._starts = np.searchsorted(cell[order], np.arange(len(self._centres) + 1))

    def points(self, greys: Greys) -> Floats:
        """Return unit vectors whose products are upper bounds of the correlations of the greys.

        Args:
            greys: ``uint8`` of shape (m, 32, 32).

        Returns:
            ``float32`` of shape (m, d): coordinates in the principal directions, and the length of
            the remainder.
        """
        projected = _unit_vectors(greys) @ self._basis
        remainder = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", projected, projected)))
        return np.column_stack([projected, remainder])

    def near(self, views: Greys, correlation: float) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidate pairs, each once: rows of ``views`` and places of images.

        Args:
            views: ``uint8`` of shape (m, views, 32, 32).
            correlation: Minimum correlation, up to 1.
        """
        flat = views.reshape(-1, SIDE, SIDE)
        starts = range(0, len(flat), _BLOCK_SIZE)
        queries = np.concatenate(
            [self.points(flat[start : start + _BLOCK_SIZE]) for start in starts]
        )
        least = np.float32(correlation) - _MARGIN
        for cell, some in self._visit(queries, np.sqrt(2 - 2 * least)):
            start, stop = self._starts[cell : cell + 2]
            row = some // views.shape[1]
            step = max(1, _MAX_PRODUCTS // len(some))
            for first in range(start, stop, step):
                count = min(step, stop - first)
                query, place = np.divmod(
                    np.flatnonzero(queries[some] @ self._points[first : first + count].T >= least),
                    count,
                )
                # Several views of an image may be near the same point.
                found, place = np.divmod(np.unique(row[query] * count + place), count)
                yield found, self._places[first + place]

    def _visit(self, queries: Floats, radius: np.float32) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may contain points near some queries, with these queries."""
        tolerance = radius * self._centre_distances + _MARGIN
        keys = []
        for start in range(0, len(queries), _BLOCK_SIZE):
            products = queries[start : start + _BLOCK_SIZE] @ self._centres.T
            difference = products.max(axis=1, keepdims=True) - products
            query, cell = np.nonzero(difference <= tolerance[products.argmax(axis=1)])
            keys.append(cell * len(queries) + start + query)
        cells, some = np.divmod(np.sort(np.concatenate(keys)), len(queries))
        visited, starts = np.unique(cells, return_index=True)
        yield from zip(visited.tolist(), np.split(some, starts[1:]), strict=True)


def _spread(length: int, count: int) -> Indices:
    """Return up to ``count`` evenly spaced indices below ``length``."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def _unit_vectors(greys: Greys) -> Floats:
    vectors = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Shorter vectors belong to flat images, which have no near-duplicates.
    vectors /= np.maximum(length, np.float32(0.99 * SIDE))[:, None]
    return vectors


def near_duplicates(
    hashes: npt.NDArray[np.uint64],
    greys: Greys,
    *,
    distance: int,
    similarity: float,
    mirror: bool = False,
    among: Indices | None = None,
    protected: Flags | None = None,
    workers: int | None = None,
) -> VerifiedPairs:
    """Return the pairs of images that are near-duplicates.

    The result does not depend on the number of workers or the machine. The order of the images only
    determines which images of a large set become representatives.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32).
        distance: Maximum number of bits in which the hashes of a view and a near-duplicate differ.
        similarity: Minimum correlation of a view with a near-duplicate.
        mirror: Treat mirror images as near-duplicates; default: no.
        among: Sorted indices of the images to search; default: all.
        protected: Flags of shape (n,) for images that are never marked as repeated, such as those
            with a decision to keep them; all of their pairs are returned. Default: none.
        workers: Number of threads; default: one per CPU. ``0`` means one.
    """
    collector = PairCollector(len(greys), protected)
    places = _not_flat(greys, np.arange(len(greys)) if among is None else among)
    if len(places) < 2:
        return collector.pairs()
    threads = (default_workers() if workers is None else workers) or 1
    # BLAS's own threads would take longer to synchronise than to compute such small products.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        index = Index(greys, places)

        def search(ones: Indices) -> Matches:
            seen = views(greys[ones], mirror=mirror)
            matches = []
            for row, others in _candidates(index, seen, ones, collector.kept, similarity):
                found, scores = _compare(
                    seen[row], others, hashes, greys, distance=distance, similarity=similarity
                )
                matches.append((int(ones[row]), found, scores))
            return matches

        start = 0
        size = _FIRST_BATCH
        while start < len(places):
            batch = places[start : start + size]
            batch = batch[collector.kept[batch]]
            start = start + size
            size = min(2 * size, 2 * threads * _TASK_SIZE)
            if not len(batch):
                continue
            for matches in pool.map(
                search, np.split(batch, range(_TASK_SIZE, len(batch), _TASK_SIZE))
            ):
                for one, others, scores in matches:
                    collector.add(one, others, scores)
    return collector.pairs()


def _not_flat(greys: Greys, places: Indices) -> Indices:
    """Return the places of images that are not flat; flat ones have no near-duplicates."""
    parts = [places[start : start + _COMPARED] for start in range(0, len(places), _COMPARED)]
    return np.concatenate([places[:0], *(part[~is_flat(greys[part])] for part in parts)])


def _candidates(
    index: Index, seen: Greys, ones: Indices, kept: Flags, similarity: float
) -> Iterator[tuple[int, Indices]]:
    """Yield rows of images with the sorted places of their possible near-duplicates."""
    pairs = [np.empty((2, 0), np.int64)]
    for row, other in index.near(seen, similarity - _ROUNDING):
        wanted = kept[other] & (other != ones[row])
        pairs.append(np.stack([row[wanted], other[wanted]]))
    row, other = np.concatenate(pairs, axis=1)
    order = np.lexsort((other, row))
    rows, starts = np.unique(row[order], return_index=True)
    yield from zip(rows.tolist(), np.split(other[order], starts[1:]), strict=False)


def _compare(
    seen: Greys,
    others: Indices,
    hashes: npt.NDArray[np.uint64],
    greys: Greys,
    *,
    distance: int,
    similarity: float,
) -> tuple[Indices, Similarities]:
    """Return the near-duplicates of an image among others, with their similarity.

    Args:
        seen: Views of the image.
        others: Places of the others.
        hashes: As in :func:`near_duplicates`, as are the following.
        greys: Small greys.
        distance: Maximum distance of the hashes.
        similarity: Minimum correlation.
    """
    compared = Compared(seen)
    best = np.zeros(len(others))
    for start in range(0, len(others), _COMPARED):
        some = others[start : start + _COMPARED]
        scores = correlations(compared, Compared(greys[some]))
        near = scores >= similarity
        view = np.flatnonzero(near.any(axis=1))
        if len(view):
            bits = np.bitwise_count(perceptual_hashes(seen[view])[:, None] ^ hashes[some])
            near[view] &= bits <= distance
            best[start : start + _COMPARED] = np.where(near, scores, 0).max(axis=0)
    return others[best > 0], best[best > 0]
