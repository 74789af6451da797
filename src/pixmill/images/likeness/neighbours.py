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
results. The points of an image's views lie in a ball around its own point, so only images in this
ball, enlarged by r, are compared with each view. The points are divided into cells by their nearest
centre. For a point within r of a query, the squared distances from the query to the point's centre
and to the nearest centre differ by at most 2 r times the distance between the two centres; other
cells are skipped. The time of the search grows more slowly than the square of the number of images,
and its memory by some 250 bytes per image.

A search may continue an earlier one (:mod:`.known`). Of the images that it knows, it makes the
views only if a new image is in their ball.
"""

import heapq
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pixmill.images.compute import default_workers
from pixmill.images.likeness.groups import (
    Flags,
    Indices,
    Match,
    PairCollector,
    Similarities,
    VerifiedPairs,
)
from pixmill.images.likeness.hashing import SIDE, Greys, perceptual_hashes
from pixmill.images.likeness.known import NOTHING, Known, digest_images, key_of
from pixmill.images.likeness.similarity import Compared, Floats, correlations, is_flat, views

DIRECTIONS = 48
"""Number of principal directions.

32 leave twice as many images to compare, 64 cost more than they save.
"""

_SAMPLE_SIZE = 512
"""Images from which the directions are computed."""

_CELL_FACTOR = 1
"""Number of cells divided by the square root of the number of points."""

_BLOCK_SIZE = 1024
"""Maximum points that are compared with the centres at a time."""

_MAX_PRODUCTS = 1 << 20
"""Maximum products of queries and points in memory (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""Tolerance for products of unit vectors, a hundred times the actual rounding error."""

_MAX_NEW = 0.1
"""Maximum share of new images; with more, a search from nothing takes less time."""

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
        correlation: Minimum correlation, up to 1.
        basis: Directions, orthonormal columns; if empty, the principal ones of the images.
    """

    def __init__(
        self, greys: Greys, places: Indices, correlation: float, basis: Floats = NOTHING.basis
    ) -> None:
        self._least = np.float32(correlation) - _MARGIN
        self._radius = np.sqrt(2 - 2 * self._least)
        if not len(basis):
            sample = _unit_vectors(greys[places[_spread(len(places), _SAMPLE_SIZE)]])
            sample -= sample.mean(axis=0)
            basis = np.linalg.svd(sample, full_matrices=False)[2][:DIRECTIONS].T
        self.basis = basis
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
        projected = _unit_vectors(greys) @ self.basis
        remainder = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", projected, projected)))
        return np.column_stack([projected, remainder])

    def near(self, views: Floats, radii: Floats) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidate pairs, each once: rows of ``views`` and places of images.

        Args:
            views: Points of the views of m images, the first of which are the images.
            radii: See :func:`ball_radii`.
        """
        bounds = self._bounds(radii)
        for cell, rows in self._visit(views):
            start, stop = self._starts[cell : cell + 2]
            step = max(1, _MAX_PRODUCTS // (len(rows) * views.shape[1]))
            for first in range(start, stop, step):
                points = self._points[first : min(first + step, stop)]
                row, place = np.nonzero(views[rows, 0] @ points.T >= bounds[rows, None])
                row = rows[np.unique(row)]
                place = np.unique(place)
                close = views[row] @ points[place].T >= self._least
                found, other = np.nonzero(close.any(axis=1))
                yield row[found], self._places[first + place[other]]

    def around(self, targets: "Index", radii: Floats) -> Indices:
        """Return the places of images of which a view may be near one of another index.

        Args:
            targets: The other index, of the same basis.
            radii: See :func:`ball_radii`; by place, not a number to leave an image out.
        """
        bounds = self._bounds(radii[self._places])
        step = max(1, _MAX_PRODUCTS // len(targets._points))
        parts = [
            (self._points[start : start + step] @ targets._points.T).max(axis=1)
            for start in range(0, len(self._points), step)
        ]
        return self._places[np.concatenate(parts) >= bounds]

    def _bounds(self, radii: Floats) -> Floats:
        """Return the product of an image's point with one near the edge of the ball of its views."""
        bounds: Floats = 1 - (radii + self._radius) ** 2 / 2 - _MARGIN
        return bounds

    def _visit(self, views: Floats) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may contain points near some images' views, with their rows."""
        tolerance = self._radius * self._centre_distances + _MARGIN
        keys = []
        step = max(1, _BLOCK_SIZE // views.shape[1])
        for start in range(0, len(views), step):
            products = views[start : start + step] @ self._centres.T
            difference = products.max(axis=2, keepdims=True) - products
            near = difference <= tolerance[products.argmax(axis=2)]
            row, cell = np.nonzero(near.any(axis=1))
            keys.append(cell * len(views) + start + row)
        cells, rows = np.divmod(np.sort(np.concatenate(keys)), len(views))
        visited, starts = np.unique(cells, return_index=True)
        yield from zip(visited.tolist(), np.split(rows, starts[1:]), strict=True)


def ball_radii(views: Floats) -> Floats:
    """Return the distance of each image's point from the farthest point of its views.

    Args:
        views: Points, ``float32`` of shape (m, views, d), the first of which are the images.
    """
    products = np.einsum("ijk,ik->ij", views, views[:, 0])
    radii: Floats = np.sqrt(2 - 2 * (products.min(axis=1) - _MARGIN))
    return radii


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
    cache: Path | None = None,
) -> VerifiedPairs:
    """Return the pairs of images that are near-duplicates.

    The result does not depend on the number of workers, the machine or the cache. The order of the
    images only determines which images of a large set become representatives.

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
        cache: File of what the last search found. If few images are new, this search continues it,
            and it replaces the file. Default: search from nothing.
    """
    places = np.arange(len(greys)) if among is None else among
    collector = PairCollector(len(greys), protected)
    images = _Images(hashes, greys, distance, similarity, mirror, collector.kept)
    known = NOTHING
    rows = np.full(len(places), -1)
    if cache is not None:
        key = key_of(distance, similarity, mirror)
        known = Known.read(cache, key)
        digests = digest_images(hashes, greys, places)
        rows = known.find(digests)
    new = _not_flat(greys, places[rows < 0])
    if len(new) > _MAX_NEW * np.count_nonzero(rows >= 0):
        known = NOTHING
        rows[:] = -1
        new = _not_flat(greys, places)
    old = places[rows >= 0]
    radii = np.full(len(greys), np.nan, np.float32)
    radii[old] = known.radii[rows[rows >= 0]]
    place = np.full(len(known.digests), -1)
    place[rows[rows >= 0]] = old
    everything = np.union1d(old, new)
    basis = known.basis
    searched = new
    found: Iterator[Match] = iter(())
    threads = (default_workers() if workers is None else workers) or 1
    # BLAS's own threads would take longer to synchronise than to compute such small products.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        if len(new):
            index = Index(greys, everything, similarity - _ROUNDING, basis)
            basis = index.basis
            targets = Index(greys, new, similarity - _ROUNDING, basis)
            touched = pool.map(
                partial(images.near_to, targets), _tasks(index.around(targets, radii))
            )
            searched = np.unique(np.concatenate([new, *touched]))
            found = images.search(index, searched, radii, pool, threads)
        recalled = known.recall(place, without=searched)
        for match in heapq.merge(found, recalled, key=itemgetter(0)):
            collector.add(*match)
    if cache is not None and (len(new) or len(old) < len(known.digests)):
        kept = everything[collector.kept[everything]]
        matches, scores = collector.matches()
        Known(
            digests[np.searchsorted(places, kept)],
            radii[kept],
            np.searchsorted(kept, matches),
            scores,
            basis,
        ).write(cache, key)
    return collector.pairs()


def _not_flat(greys: Greys, places: Indices) -> Indices:
    """Return the places of images that are not flat; flat ones have no near-duplicates."""
    parts = [some[~is_flat(greys[some])] for some in _tasks(places)]
    return np.concatenate([places[:0], *parts])


def _tasks(places: Indices) -> list[Indices]:
    return [places[start : start + _TASK_SIZE] for start in range(0, len(places), _TASK_SIZE)]


@dataclass(frozen=True)
class _Images:
    """Images to compare; the arguments are those of :func:`near_duplicates`.

    ``kept`` is False for images that have been repeated so far.
    """

    hashes: npt.NDArray[np.uint64]
    greys: Greys
    distance: int
    similarity: float
    mirror: bool
    kept: Flags

    def near_to(self, targets: Index, places: Indices) -> Indices:
        """Return the places of some images of which a view may match one of an index."""
        seen = views(self.greys[places], mirror=self.mirror)
        points = np.stack([targets.points(some) for some in seen])
        near = [row for row, _ in targets.near(points, ball_radii(points))]
        found: Indices = places[np.unique(np.concatenate([places[:0], *near]))]
        return found

    def search(
        self, index: Index, places: Indices, radii: Floats, pool: Executor, threads: int
    ) -> Iterator[Match]:
        """Yield the matches of images in the order of their places, and set the radii."""
        start = 0
        size = _FIRST_BATCH
        while start < len(places):
            batch = places[start : start + size]
            batch = batch[self.kept[batch]]
            start = start + size
            size = min(2 * size, 2 * threads * _TASK_SIZE)
            for matches in pool.map(partial(self._matches, index, radii), _tasks(batch)):
                yield from matches

    def _matches(self, index: Index, radii: Floats, ones: Indices) -> list[Match]:
        seen = views(self.greys[ones], mirror=self.mirror)
        points = np.stack([index.points(some) for some in seen])
        radii[ones] = ball_radii(points)
        pairs = [np.empty((2, 0), np.int64)]
        for row, other in index.near(points, radii[ones]):
            wanted = self.kept[other] & (other != ones[row])
            pairs.append(np.stack([row[wanted], other[wanted]]))
        row, other = np.concatenate(pairs, axis=1)
        order = np.lexsort((other, row))
        rows, starts = np.unique(row[order], return_index=True)
        others = np.split(other[order], starts[1:])
        return [
            (int(ones[one]), *self._compare(seen[one], some))
            for one, some in zip(rows.tolist(), others, strict=False)
        ]

    def _compare(self, seen: Greys, others: Indices) -> tuple[Indices, Similarities]:
        """Return the images among others that a view matches, with their similarity."""
        compared = Compared(seen)
        best = np.zeros(len(others))
        for start in range(0, len(others), _COMPARED):
            some = others[start : start + _COMPARED]
            scores = correlations(compared, Compared(self.greys[some]))
            near = scores >= self.similarity
            view = np.flatnonzero(near.any(axis=1))
            if len(view):
                bits = perceptual_hashes(seen[view])[:, None] ^ self.hashes[some]
                near[view] &= np.bitwise_count(bits) <= self.distance
                best[start : start + _COMPARED] = np.where(near, scores, 0).max(axis=0)
        return others[best > 0], best[best > 0]
