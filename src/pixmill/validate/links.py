"""Pairs of near-duplicates as they are found, and whom one of very many stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_LIKES", "Alike", "Ledger", "Links"]

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_LIKES = 50
"""The most near-duplicates that a picture may have. One that has more stands for them, and they are repeated."""


@dataclass(frozen=True)
class Links:
    """Hold verified pairs by the places of their pictures, sorted, and the pictures that are repeated too often.

    Where a picture is like more than :data:`MOST_LIKES` others (a placeholder, recompressed ten thousand times), pairs
    among all of them would be too many to hold. It then stands for them, and they are *repeated*: the caller drops each
    of them (reason ``repeated:<id of the one that stands for it>``). No pair names a repeated picture; so among the
    pictures that are not repeated **all** near-duplicate pairs are here, and no kept pair can cross a split unseen.

    Args:
        a: Place of the first picture of each pair.
        b: Place of the second, always behind the first.
        similarity: How alike they are, 0 to 1, to four decimals.
        repeats: Of shape (m, 2): the place of each repeated picture, and of the one that stands for it, which is
            verified alike to it and never repeated itself; sorted. Nearly always of shape (0, 2).
    """

    a: Indices
    b: Indices
    similarity: npt.NDArray[np.float64]
    repeats: Indices


@dataclass(frozen=True)
class Alike:
    """Hold what was found of some pictures: one of which a view is like another, the other, and how like.

    Sorted by the two; each two come up once, and once more the other way round if that is found as well.
    """

    one: Indices
    other: Indices
    similarity: npt.NDArray[np.float64]


class Ledger:
    """Keep pairs, and decide who is repeated, picture by picture in the order of their places.

    A picture that is like one that stands for others is repeated of it; else, if it is like more than
    :data:`MOST_LIKES` that are kept, it stands for them. So no two that stand for others are alike, and at most that
    many pairs are kept for each picture.

    Args:
        count: How many pictures there are.
        protected: Which are never repeated, of shape (count,); default: none.
    """

    def __init__(self, count: int, protected: Flags | None = None) -> None:
        self.kept = np.ones(count, bool)
        self._stands = np.zeros(count, bool)
        self._protected = np.zeros(count, bool) if protected is None else protected
        self._found: list[Alike] = []
        self._repeats: list[Indices] = [np.empty((0, 2), np.int64)]

    def enter(self, alike: Alike) -> None:
        """Enter what was found of some pictures, after all of the pictures before them."""
        starts = np.flatnonzero(np.diff(alike.one, prepend=-1))
        wanted = np.ones(len(alike.one), bool)
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(alike.one)], strict=False):
            likes = slice(start, stop)
            if stop - start > MOST_LIKES or self._stands[alike.other[likes]].any():
                wanted[likes] = self._judge(int(alike.one[start]), alike.other[likes], alike.similarity[likes])
        self._found.append(Alike(alike.one[wanted], alike.other[wanted], alike.similarity[wanted]))

    def _judge(self, one: int, others: Indices, similarity: npt.NDArray[np.float64]) -> Flags:
        """Decide who of a picture and its likes is repeated, and return which pairs are left."""
        if not self.kept[one]:
            return np.zeros(len(others), bool)
        kept = self.kept[others]
        free = kept & ~self._protected[others]
        stands = np.where(self._stands[others], similarity, 0)  # who stands for others is always kept
        if stands.any():
            if not self._protected[one]:
                self._repeat(np.array([one]), int(others[stands.argmax()]))
                kept[:] = False
        elif np.count_nonzero(free) > MOST_LIKES:
            self._stands[one] = True
            self._repeat(others[free], one)
            kept &= ~free
        return kept

    def _repeat(self, members: Indices, stand_in: int) -> None:
        self.kept[members] = False
        self._repeats.append(np.column_stack([members, np.full(len(members), stand_in)]))

    def links(self) -> Links:
        """Return the pairs of pictures that are kept, each once, with the best that any of their views reached."""
        one = np.concatenate([np.empty(0, np.int64), *(some.one for some in self._found)])
        other = np.concatenate([np.empty(0, np.int64), *(some.other for some in self._found)])
        similarity = np.concatenate([np.empty(0), *(some.similarity for some in self._found)])
        kept = self.kept[one] & self.kept[other]
        one, other, similarity = one[kept], other[kept], similarity[kept]
        a, b = np.minimum(one, other), np.maximum(one, other)
        order = np.lexsort((similarity, b, a))
        a, b, similarity = a[order], b[order], similarity[order]
        last = np.append((np.diff(a) != 0) | (np.diff(b) != 0), True)[: len(a)]
        repeats = np.concatenate(self._repeats)
        return Links(a[last], b[last], similarity[last], repeats[np.argsort(repeats[:, 0])])
