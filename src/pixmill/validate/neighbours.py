"""Near-duplicates: all pairs of pictures of which some view of one is like the other.

A pair is a near-duplicate if two conditions hold for some view of one of the two (as it is, slightly cropped,
brightened, mirrored by option: see :mod:`pixmill.validate.similarity`): the view's perceptual hash is near the other's,
and its pixels correlate with those of the other as it is. The view is hashed, not only the picture: a crop at a corner
changes more bits of a hash than two different products differ by. The search misses none (see
:mod:`pixmill.validate.index`). Its cost grows a little faster than the number of pictures, and its memory by some 250
bytes a picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pixmill.compute import default_workers
from pixmill.validate.links import Alike, Ledger, Links
from pixmill.validate.search import Likeness, Search
from pixmill.validate.similarity import as_compared, is_flat

__all__ = ["Links", "near_duplicates"]

Indices = npt.NDArray[np.int64]

_PICTURES = 2048
"""Pictures that are searched for at a time (15 KB each)."""


def near_duplicates(
    hashes: npt.NDArray[np.uint64],
    greys: npt.NDArray[np.uint8],
    *,
    distance: int,
    similarity: float,
    mirror: bool = False,
    among: Indices | None = None,
    protected: npt.NDArray[np.bool_] | None = None,
    workers: int | None = None,
) -> Links:
    """Return the pairs of pictures that are near-duplicates.

    The result depends neither on the number of workers nor on the machine; on the pictures' order only in which of many
    stands for those that are repeated.

    Args:
        hashes: Perceptual hashes, of shape (n,).
        greys: Small greys, of shape (n, 32, 32) or, so that crops of fine textures are found too, (n, 64, 64); they may
            be memory-mapped.
        distance: The most bits by which a view's hash differs from that of a picture like it.
        similarity: The least correlation of a view with a picture like it.
        mirror: Whether mirror images are near-duplicates; default: no.
        among: Places of the pictures that are looked at, sorted; default: all. The others are in no pair.
        protected: Of shape (n,): which pictures are never called repeated, such as those that a person decided to keep:
            they are in all their pairs, however many; default: none.
        workers: Threads; default: one a processor. ``0`` works in this one.
    """
    ledger = Ledger(len(greys), protected)
    places = _lively(greys, np.arange(len(greys)) if among is None else among)
    if len(places) < 2:
        return ledger.links()
    # BLAS would start threads of its own for each product, which wait for each other longer than they compute.
    with threadpool_limits(1, "blas"):
        search = Search(hashes, greys, places, ledger.kept, Likeness(distance, similarity, mirror))
        parts = [places[start : start + _PICTURES] for start in range(0, len(places), _PICTURES)]
        for part, found in zip(parts, _in_order(search, parts, workers), strict=True):
            for alike in search.alike_in_parts(part) if found is None else [found]:
                ledger.enter(alike)
                search.forget()
    return ledger.links()


def _lively(greys: npt.NDArray[np.uint8], places: Indices) -> Indices:
    """Return those places whose pictures are not flat: a flat one is like none."""
    parts = [places[start : start + _PICTURES] for start in range(0, len(places), _PICTURES)]
    return np.concatenate([places[:0], *(part[~is_flat(as_compared(greys[part]))] for part in parts)])


def _in_order(search: Search, parts: list[Indices], workers: int | None) -> Iterator[Alike | None]:
    """Yield what is found for each part, searching at most a few parts ahead."""
    workers = default_workers() if workers is None else workers
    if workers == 0 or len(parts) == 1:
        yield from map(search.alike, parts)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Alike | None]] = deque()
        for part in parts:
            pending.append(pool.submit(search.alike, part))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
