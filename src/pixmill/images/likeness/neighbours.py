"""Near-duplicate search: find all pairs of images where a view of one matches the other.

Views of an image are the image itself and slightly cropped, brightened or, optionally, mirrored
versions (see :mod:`.similarity`). Two images are near-duplicates if, for some view of one, the
view's perceptual hash is near the other image's hash, and its pixels correlate with those of the
other image. Views have their own hashes, because a crop at a corner changes more bits than the
difference between two products.

The search is exhaustive; :mod:`.index` excludes only images that cannot match. A search may
continue an earlier one (:mod:`.known`): then it compares new images with all others, and of the
others those with the new ones whose views may match one.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

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
from pixmill.images.likeness.hashing import Greys, perceptual_hashes
from pixmill.images.likeness.index import BLOCK_SIZE, Index, Projection, principal_directions
from pixmill.images.likeness.known import NOTHING, Digests, Known, digest_images, key_of
from pixmill.images.likeness.similarity import Compared, Floats, correlations, is_flat, views

_FIRST_BATCH = 64
"""Images in the first batch; the following ones double.

In a large set of near-duplicates the first images become
representatives, and the repeated ones need not be searched for.
"""

_TASK_SIZE = 512
"""New images that a thread searches for at a time (20 KB each)."""

_KNOWN_WORK = 1 / 16
"""Work for a known image in that for a new one."""

_MAX_NEW = 0.1
"""Maximum share of new images; with more, a search from nothing takes less time."""

_COMPARED = 4096
"""Maximum images that one is compared with at a time (5 KB each)."""

_ROUNDING = 0.00005
"""Maximum rounding error of a similarity, which has four decimals."""

Matches = dict[int, tuple[Indices, Similarities]]
"""By place of an image: sorted places of images that one of its views matches, and similarities."""


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
        cache: File of what the last search found. If few images are new, the search continues it;
            the file is replaced. Default: search from nothing.
    """
    places = np.arange(len(greys)) if among is None else among
    collector = PairCollector(len(greys), protected)
    known = NOTHING
    rows = np.full(len(places), -1)
    if cache is not None:
        key = key_of(distance, similarity, mirror)
        known = Known.read(cache, key)
        digests = digest_images(hashes, greys, places)
        rows = known.find(digests)
    new = _not_flat(greys, places[rows < 0])
    if len(new) > _MAX_NEW * (len(new) + np.count_nonzero(rows >= 0)):
        known = NOTHING
        rows[:] = -1
        new = _not_flat(greys, places)
    is_known = rows >= 0
    searched = np.union1d(places[is_known], new)
    if len(searched) < 2:
        return collector.pairs()
    search = _Search(
        hashes, greys, collector, distance=distance, similarity=similarity, mirror=mirror
    )
    threads = (default_workers() if workers is None else workers) or 1
    # BLAS's own threads would take longer to synchronise than to compute such small products.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        search.prepare(pool, searched, new, known)
        search.recall(known, places[is_known], rows[is_known])
        for batch in _batches(searched, np.isin(searched, new), collector.kept, threads):
            for matches in pool.map(search.matches, batch):
                for one in sorted(matches):
                    collector.add(one, *matches[one])
    if cache is not None and (len(new) or np.count_nonzero(is_known) < len(known.digests)):
        kept = searched[collector.kept[searched]]
        search.found(kept, digests[np.searchsorted(places, kept)]).write(cache, key)
    return collector.pairs()


def _batches(places: Indices, is_new: Flags, kept: Flags, threads: int) -> Iterator[list[Indices]]:
    """Yield images in the order of their places: growing batches of tasks for threads."""
    work = np.cumsum(np.where(is_new, 1, _KNOWN_WORK))
    size = _FIRST_BATCH
    start = 0
    while start < len(places):
        done = work[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(work, done + size, "right")))
        batch = places[start:stop]
        batch = batch[kept[batch]]
        if len(batch):
            yield np.array_split(batch, -(-size // _TASK_SIZE))
        start = stop
        size = min(2 * size, 2 * threads * _TASK_SIZE)


class _Search:
    """What the threads of a search share.

    Args:
        hashes: As in :func:`near_duplicates`, as are the others.
        greys: Small greys.
        collector: Receives the matches.
        distance: Maximum distance of the hashes.
        similarity: Minimum correlation.
        mirror: Whether to treat mirror images as near-duplicates.
    """

    def __init__(
        self,
        hashes: npt.NDArray[np.uint64],
        greys: Greys,
        collector: PairCollector,
        *,
        distance: int,
        similarity: float,
        mirror: bool,
    ) -> None:
        self._hashes = hashes
        self._greys = greys
        self._collector = collector
        self._distance = distance
        self._similarity = similarity
        self._mirror = mirror

    def prepare(self, pool: Executor, places: Indices, new: Indices, known: Known) -> None:
        """Index the images, if there are new ones."""
        directions = known.directions
        if not len(directions):
            directions = principal_directions(self._greys, places)
        self._projection = Projection(directions, mirror=self._mirror)
        self._radii = np.zeros((len(self._greys), self._projection.covers), np.float32)
        self._is_new = np.zeros(len(self._greys), bool)
        self._is_new[new] = True
        if len(new):
            points = self._points(pool, places)
            correlation = self._similarity - _ROUNDING
            self._new = Index(points[self._is_new[places]], new, correlation)
            self._all = Index(points, places, correlation)

    def _points(self, pool: Executor, places: Indices) -> Floats:
        points = np.empty((len(places), self._projection.dimensions), np.float32)

        def project(start: int) -> None:
            some = slice(start, start + BLOCK_SIZE)
            points[some] = self._projection.points(self._greys[places[some]])

        for _ in pool.map(project, range(0, len(places), BLOCK_SIZE)):
            pass
        return points

    def recall(self, known: Known, places: Indices, rows: Indices) -> None:
        """Take over the matches of an earlier search among images that are still present.

        Args:
            known: The earlier search.
            places: Places of images.
            rows: Row of each in the earlier search.
        """
        if len(places):
            self._radii[places] = known.radii[rows]
        place = np.full(len(known.digests), -1)
        place[rows] = places
        one, other = place[known.matches.T]
        order = np.lexsort((other, one))
        present = order[(one[order] >= 0) & (other[order] >= 0)]
        self._one = one[present]
        self._other = other[present]
        self._scores = known.similarity[present]

    def matches(self, ones: Indices) -> Matches:
        """Return the matches of some images."""
        is_new = self._is_new[ones]
        found = self._compare_all(self._all, ones[is_new]) if is_new.any() else {}
        old = ones[~is_new]
        if self._is_new.any():
            for start in range(0, len(old), BLOCK_SIZE):
                some = old[start : start + BLOCK_SIZE]
                centres = self._projection.centres(self._greys[some])
                touched = some[self._new.may_match(centres, self._radii[some])]
                found |= self._compare_all(self._new, touched)
        starts = np.searchsorted(self._one, old)
        stops = np.searchsorted(self._one, old, "right")
        for row in np.flatnonzero(starts < stops).tolist():
            known = slice(starts[row], stops[row])
            recalled = self._other[known], self._scores[known]
            one = int(old[row])
            found[one] = _merged(recalled, found[one]) if one in found else recalled
        return found

    def _compare_all(self, index: Index, ones: Indices) -> Matches:
        """Return the matches of some images among those of an index."""
        if not len(ones):
            return {}
        seen = views(self._greys[ones], mirror=self._mirror)
        covered = self._projection.cover(seen)
        self._radii[ones] = covered.radii
        pairs = [np.empty((2, 0), np.int64)]
        for row, other in index.near(covered):
            wanted = self._collector.kept[other] & (other != ones[row])
            pairs.append(np.stack([row[wanted], other[wanted]]))
        row, other = np.concatenate(pairs, axis=1)
        order = np.lexsort((other, row))
        rows, starts = np.unique(row[order], return_index=True)
        others = np.split(other[order], starts[1:])
        return {
            int(ones[one]): self._compare(seen[one], some)
            for one, some in zip(rows.tolist(), others, strict=False)
        }

    def _compare(self, seen: Greys, others: Indices) -> tuple[Indices, Similarities]:
        """Return the images among others that a view matches, with their similarity."""
        compared = Compared(seen)
        best = np.zeros(len(others))
        for start in range(0, len(others), _COMPARED):
            some = others[start : start + _COMPARED]
            scores = correlations(compared, Compared(self._greys[some]))
            near = scores >= self._similarity
            view = np.flatnonzero(near.any(axis=1))
            if len(view):
                bits = perceptual_hashes(seen[view])[:, None] ^ self._hashes[some]
                near[view] &= np.bitwise_count(bits) <= self._distance
                best[start : start + _COMPARED] = np.where(near, scores, 0).max(axis=0)
        return others[best > 0], best[best > 0]

    def found(self, places: Indices, digests: Digests) -> Known:
        """Return the matches among images for a later search.

        Args:
            places: Places of the images that were not repeated, sorted.
            digests: Digest of each.
        """
        first = np.unique(digests[:, 0], return_index=True)[1]
        row = np.full(len(self._greys), -1)
        row[places[first]] = np.arange(len(first))
        one, other, similarity = self._collector.matches()
        inside = (row[one] >= 0) & (row[other] >= 0)
        return Known(
            digests=digests[first],
            radii=self._radii[places[first]],
            matches=np.column_stack([row[one], row[other]])[inside],
            similarity=similarity[inside],
            directions=self._projection.directions,
        )


def _merged(
    some: tuple[Indices, Similarities], more: tuple[Indices, Similarities]
) -> tuple[Indices, Similarities]:
    """Return the matches of both, sorted by place."""
    others = np.concatenate([some[0], more[0]])
    order = np.argsort(others)
    return others[order], np.concatenate([some[1], more[1]])[order]


def _not_flat(greys: Greys, places: Indices) -> Indices:
    """Return the places of images that are not flat; flat ones have no near-duplicates."""
    parts = [places[start : start + _COMPARED] for start in range(0, len(places), _COMPARED)]
    return np.concatenate([places[:0], *(part[~is_flat(greys[part])] for part in parts)])
