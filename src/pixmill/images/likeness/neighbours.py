"""Near-duplicate search: find all pairs of images where a view of one matches the other.

Views of an image are the image itself and slightly cropped, brightened or, optionally, mirrored versions (see
:mod:`.similarity`). Two images are near-duplicates if, for some view of one, the view's perceptual hash is near the
other image's hash, and its pixels correlate with those of the other image. Views have their own hashes, because a crop
at a corner changes more bits than the difference between two products. The search is exhaustive (see :mod:`.index`).
Its time grows more slowly than the square of the number of images, and its memory by some 250 bytes per image.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pixmill.images.compute import default_workers
from pixmill.images.likeness.groups import PairCollector, VerifiedPairs
from pixmill.images.likeness.hashing import perceptual_hashes
from pixmill.images.likeness.index import Index
from pixmill.images.likeness.similarity import Compared, correlations, is_flat, views

Flags = npt.NDArray[np.bool_]
Greys = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Matches = list[tuple[int, Indices, npt.NDArray[np.float64]]]

_FIRST_BATCH = 64
"""Images in the first batch; the following ones double. In a large set of near-duplicates the first images become
representatives, and the repeated ones need not be searched for."""

_TASK_SIZE = 512
"""Images that a thread searches for at a time (20 KB each)."""

_COMPARED = 4096
"""Maximum images that one is compared with at a time (5 KB each)."""

_ROUNDING = 0.00005
"""Maximum rounding error of a similarity, which has four decimals."""


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

    The result does not depend on the number of workers or the machine. The order of the images only determines which
    images of a large set become representatives.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32).
        distance: Maximum number of bits in which the hashes of a view and a near-duplicate differ.
        similarity: Minimum correlation of a view with a near-duplicate.
        mirror: Treat mirror images as near-duplicates; default: no.
        among: Sorted indices of the images to search; default: all.
        protected: Flags of shape (n,) for images that are never marked as repeated, such as those with a decision to
            keep them; all of their pairs are returned. Default: none.
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
                found, scores = _compare(seen[row], others, hashes, greys, distance=distance, similarity=similarity)
                matches.append((int(ones[row]), found, scores))
            return matches

        start, size = 0, _FIRST_BATCH
        while start < len(places):
            batch = places[start : start + size]
            batch = batch[collector.kept[batch]]
            start, size = start + size, min(2 * size, 2 * threads * _TASK_SIZE)
            if not len(batch):
                continue
            for matches in pool.map(search, np.split(batch, range(_TASK_SIZE, len(batch), _TASK_SIZE))):
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
) -> tuple[Indices, npt.NDArray[np.float64]]:
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
