"""Near-duplicate search: find all pairs of images where a view of one matches the other.

Views of an image are the image itself and slightly cropped, brightened or, optionally, mirrored
versions (see :mod:`.similarity`). Two images are near-duplicates if, for some view of one, the
view's perceptual hash is near the other image's hash, and its pixels correlate with those of the
other image. Views have their own hashes, because a crop at a corner changes more bits than the
difference between two products.

The search is exhaustive. :class:`Index` is an exact filter by projection to low frequencies: images
are unit vectors of 1,024 mean-centred greys, so a correlation of s is a distance of sqrt(2 - 2 s).
A projection never increases a distance. Therefore images that are near in 1,024 dimensions are also
near in 63 low frequencies plus the length of the remainder: none is missed, and few others need a
full comparison. (The principal directions of photographs leave as few.) The points of an image's
views lie in a ball around its own point, so only images in this ball, enlarged by r, are compared
with each view. The points are divided into cells by their nearest centre. For a point within r of a
query, the squared distances from the query to the point's centre and to the nearest centre differ
by at most 2 r times the distance between the two centres; other cells are skipped. The time of the
search grows more slowly than the square of the number of images, and its memory by some 300 bytes
per image.

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
from typing import Any

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
    by_key,
)
from pixmill.images.likeness.hashing import COSINES, SIDE, Greys, perceptual_hashes
from pixmill.images.likeness.known import Known, digest_images
from pixmill.images.likeness.similarity import Compared, Floats, correlations, views

_BASIS = np.linalg.qr(np.kron(COSINES, COSINES)[1:].T)[0].astype(np.float32)
"""Orthonormal columns, of shape (1024, 63): the frequencies of the hash, except the constant."""

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
    """

    def __init__(self, greys: Greys, places: Indices, correlation: float) -> None:
        self._least = np.float32(correlation) - _MARGIN
        self._radius = np.sqrt(2 - 2 * self._least)
        points = np.concatenate([project(greys[some]) for some in _blocks(places)])
        self._centres = points[:: round(len(points) ** 0.5)]
        self._centre_distances = np.sqrt(np.maximum(0, 2 - 2 * (self._centres @ self._centres.T)))
        cell = np.concatenate([(some @ self._centres.T).argmax(axis=1) for some in _blocks(points)])
        order = np.argsort(cell, kind="stable")
        self._places = places[order]
        self._points = points[order]
        self._starts = np.searchsorted(cell[order], np.arange(len(self._centres) + 1))

    def near(self, seen: Floats, radii: Floats) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidate pairs, each once: rows of ``seen`` and places of images.

        Args:
            seen: Points of the views of m images, the first of which are the images.
            radii: See :func:`ball_radii`.
        """
        bounds = self._bounds(radii)
        for cell, rows in self._visit(seen):
            start, stop = self._starts[cell : cell + 2]
            step = max(1, _MAX_PRODUCTS // (len(rows) * seen.shape[1]))
            for first in range(start, stop, step):
                points = self._points[first : min(first + step, stop)]
                row, place = np.nonzero(seen[rows, 0] @ points.T >= bounds[rows, None])
                row = rows[np.unique(row)]
                place = np.unique(place)
                close = seen[row] @ points[place].T >= self._least
                found, other = np.nonzero(close.any(axis=1))
                yield row[found], self._places[first + place[other]]

    def around(self, targets: "Index", radii: Floats) -> Indices:
        """Return the places of images of which a view may be near one of another index.

        Args:
            targets: The other index.
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

    def _visit(self, seen: Floats) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may contain points near some images' views, with their rows."""
        tolerance = self._radius * self._centre_distances + _MARGIN
        keys = []
        step = max(1, _MAX_PRODUCTS // (seen.shape[1] * len(self._centres)))
        for start in range(0, len(seen), step):
            products = seen[start : start + step] @ self._centres.T
            difference = products.max(axis=2, keepdims=True) - products
            near = difference <= tolerance[products.argmax(axis=2)]
            row, cell = np.nonzero(near.any(axis=1))
            keys.append(cell * len(seen) + start + row)
        return by_key(*np.divmod(np.sort(np.concatenate(keys)), len(seen)))


def project(greys: Greys) -> Floats:
    """Return unit vectors whose products are upper bounds of the correlations of the greys.

    Args:
        greys: ``uint8`` of shape (m, 32, 32).

    Returns:
        ``float32`` of shape (m, 64): coordinates in low frequencies, and the length of the
        remainder.
    """
    vectors = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Shorter vectors belong to flat images, which have no near-duplicates.
    points = vectors @ _BASIS / np.maximum(length, np.float32(0.99 * SIDE))[:, None]
    remainder = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", points, points)))
    return np.column_stack([points, remainder])


def ball_radii(views: Floats) -> Floats:
    """Return the distance of each image's point from the farthest point of its views.

    Args:
        views: Points, ``float32`` of shape (m, views, d), the first of which are the images.
    """
    products = np.einsum("ijk,ik->ij", views, views[:, 0])
    radii: Floats = np.sqrt(2 - 2 * (products.min(axis=1) - _MARGIN))
    return radii


def near_duplicates(
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
    known = Known.nothing(len(greys))
    if cache is not None:
        digests = digest_images(greys, distance, similarity, mirror)
        known = Known.read(cache, digests, places)
    old = np.flatnonzero(known.radii >= 0)
    new = _not_flat(greys, np.setdiff1d(places, old))
    if len(new) > _MAX_NEW * len(old):
        known = Known.nothing(len(greys))
        new = np.union1d(old, new)
        old = old[:0]
    threads = (default_workers() if workers is None else workers) or 1
    # BLAS's own threads would take longer to synchronise than to compute such small products.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        images = _Images(
            greys,
            distance,
            similarity,
            mirror,
            collector.kept,
            known.radii,
            pool,
            threads,
        )
        searched = new
        found: Iterator[Match] = iter(())
        if len(new):
            searched, found = images.compare(new, old)
        for match in heapq.merge(found, known.recall(without=searched), key=itemgetter(0)):
            collector.add(*match)
    if cache is not None:
        kept = np.flatnonzero(collector.kept & (known.radii >= 0))
        Known(known.radii, *collector.matches()).write(cache, digests, kept)
    return collector.pairs()


def _not_flat(greys: Greys, places: Indices) -> Indices:
    """Return the places of images that are not flat; flat ones have no near-duplicates."""
    parts = [some[~Compared(greys[some]).flat] for some in _blocks(places)]
    return np.concatenate([places[:0], *parts])


def _blocks(values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [values[start : start + _TASK_SIZE] for start in range(0, len(values), _TASK_SIZE)]


@dataclass(frozen=True)
class _Images:
    """Images to compare; the first arguments are those of :func:`near_duplicates`.

    Args:
        kept: False for images that have been repeated so far.
        radii: Radius of the ball of each image's views, not a number if it is unknown.
        pool: Executor of the threads.
        threads: Number of threads.
    """

    greys: Greys
    distance: int
    similarity: float
    mirror: bool
    kept: Flags
    radii: Floats
    pool: Executor
    threads: int

    def compare(self, new: Indices, old: Indices) -> tuple[Indices, Iterator[Match]]:
        """Compare new images with all.

        Args:
            new: Sorted places of new images, at least one.
            old: Those of known images.

        Returns:
            The new images and the known ones that match one of them, and all that they match.
        """
        index = self._index(np.union1d(old, new))
        touched: list[int] = []
        if len(old):
            targets = self._index(new)
            around = index.around(targets, self.radii)
            touched = [one for one, others, _ in self._search(targets, around) if len(others)]
        searched = np.union1d(new, np.array(touched, int))
        return searched, self._search(index, searched)

    def _search(self, index: Index, places: Indices) -> Iterator[Match]:
        """Yield the matches of images with those of an index, and set the radii."""
        start = 0
        size = _FIRST_BATCH
        while start < len(places):
            batch = places[start : start + size]
            start += size
            size = min(2 * size, 2 * self.threads * _TASK_SIZE)
            tasks = _blocks(batch[self.kept[batch]])
            for matches in self.pool.map(partial(self._matches, index), tasks):
                yield from matches

    def _matches(self, index: Index, ones: Indices) -> list[Match]:
        seen = views(self.greys[ones], mirror=self.mirror)
        # Image by image, since one's views fit into the CPU's cache.
        points = np.stack([project(some) for some in seen])
        self.radii[ones] = ball_radii(points)
        pairs = [np.empty((2, 0), np.int64)]
        for row, other in index.near(points, self.radii[ones]):
            wanted = self.kept[other] & (other != ones[row])
            pairs.append(np.stack([row[wanted], other[wanted]]))
        row, other = np.concatenate(pairs, axis=1)
        order = np.lexsort((other, row))
        return [
            (int(ones[one]), *self._compare(seen[one], some))
            for one, some in by_key(row[order], other[order])
        ]

    def _index(self, places: Indices) -> Index:
        return Index(self.greys, places, self.similarity - _ROUNDING)

    def _compare(self, seen: Greys, others: Indices) -> tuple[Indices, Similarities]:
        """Return the images among others that a view matches, with their similarity."""
        compared = Compared(seen)
        best = np.zeros(len(others))
        for start in range(0, len(others), _COMPARED):
            some = others[start : start + _COMPARED]
            greys = self.greys[some]
            scores = correlations(compared, Compared(greys))
            near = scores >= self.similarity
            view = np.flatnonzero(near.any(axis=1))
            if len(view):
                bits = perceptual_hashes(seen[view])[:, None] ^ perceptual_hashes(greys)
                near[view] &= np.bitwise_count(bits) <= self.distance
                best[start : start + _COMPARED] = np.where(near, scores, 0).max(axis=0)
        return others[best > 0], best[best > 0]
