"""Near-duplicate search: all pairs of images where some view of one matches the other.

A pair is a near-duplicate if two conditions hold for some view of one of the two (as it is, slightly cropped,
brightened, mirrored by option: see :mod:`.similarity`): the view's perceptual hash is near the other's,
and its pixels correlate with those of the other as it is. The view is hashed, not only the image: a crop at a corner
changes more bits of a hash than two different products differ by. The search misses none (see :mod:`.index`). Its cost
grows more slowly than the square of the number of images, and its memory by some 250 bytes an image.
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
Likes = list[tuple[int, Indices, npt.NDArray[np.float64]]]

_FIRST = 64
"""Images that are searched for at first; then twice as many each time: the first few of very many that are alike stand
for the others, which need not be searched for any more."""

_AT_A_TIME = 512
"""Images that a thread searches for at a time (20 KB each)."""

_OTHERS = 4096
"""The most images that another is compared with at a time (5 KB each)."""

_HALF_A_STEP = 0.00005
"""Similarities are rounded to four decimals before they are compared."""


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

    The result depends neither on the number of workers nor on the machine; on the images' order only in which of many
    stands for those that are repeated.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32).
        distance: The most bits by which a view's hash differs from that of an image like it.
        similarity: The least correlation of a view with an image like it.
        mirror: Whether mirror images are near-duplicates; default: no.
        among: Sorted indices of the images to search; default: all. The others are in no pair.
        protected: Of shape (n,): which images are never marked as repeated, such as those that you decided to keep:
            they are in all their pairs, however many; default: none.
        workers: Number of threads; default: one per CPU. ``0`` means one.
    """
    ledger = PairCollector(len(greys), protected)
    places = _not_flat(greys, np.arange(len(greys)) if among is None else among)
    if len(places) < 2:
        return ledger.links()
    threads = (default_workers() if workers is None else workers) or 1
    # BLAS would start threads of its own for each product, which wait for each other longer than they compute.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        index = Index(greys, places)

        def search(ones: Indices) -> Likes:
            seen = views(greys[ones], mirror=mirror)
            likes = []
            for row, others in _candidates(index, seen, ones, ledger.kept, similarity):
                alike, scores = _compare(seen[row], others, hashes, greys, distance=distance, similarity=similarity)
                likes.append((int(ones[row]), alike, scores))
            return likes

        start, size = 0, _FIRST
        while start < len(places):
            batch = places[start : start + size]
            batch = batch[ledger.kept[batch]]
            start, size = start + size, min(2 * size, 2 * threads * _AT_A_TIME)
            if not len(batch):
                continue
            for likes in pool.map(search, np.split(batch, range(_AT_A_TIME, len(batch), _AT_A_TIME))):
                for one, others, scores in likes:
                    ledger.enter(one, others, scores)
    return ledger.links()


def _not_flat(greys: Greys, places: Indices) -> Indices:
    """Return those places whose images are not flat: a flat one is like none."""
    parts = [places[start : start + _OTHERS] for start in range(0, len(places), _OTHERS)]
    return np.concatenate([places[:0], *(part[~is_flat(greys[part])] for part in parts)])


def _candidates(
    index: Index, seen: Greys, ones: Indices, kept: Flags, similarity: float
) -> Iterator[tuple[int, Indices]]:
    """Yield rows of images with the sorted places of those that they may be like."""
    pairs = [np.empty((2, 0), np.int64)]
    for row, other in index.near(seen, similarity - _HALF_A_STEP):
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
    """Return those of some images that one of an image's views is like, and how like."""
    compared = Compared(seen)
    best = np.zeros(len(others))
    for start in range(0, len(others), _OTHERS):
        some = others[start : start + _OTHERS]
        scores = correlations(compared, Compared(greys[some]))
        near = scores >= similarity
        view = np.flatnonzero(near.any(axis=1))
        if len(view):
            bits = np.bitwise_count(perceptual_hashes(seen[view])[:, None] ^ hashes[some])
            near[view] &= bits <= distance
            best[start : start + _OTHERS] = np.where(near, scores, 0).max(axis=0)
    return others[best > 0], best[best > 0]
