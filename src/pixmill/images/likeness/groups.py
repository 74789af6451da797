"""Verified pairs of near-duplicates, and the groups that no chain can join."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_LIKES = 50
"""The most near-duplicates that an image may have. One that has more stands for them, and they are repeated."""


@dataclass(frozen=True)
class VerifiedPairs:
    """Verified pairs by the places of their images, sorted, and the images that are repeated too often.

    Where an image is like more than :data:`MOST_LIKES` others (a placeholder, recompressed ten thousand times), pairs
    among all of them would be too many to hold. It then stands for them, and they are *repeated*: the caller drops each
    of them (reason ``repeated:<id of the one that stands for it>``). No pair names a repeated image; so among the
    images that are not repeated **all** near-duplicate pairs are here, and no kept pair can cross a split unseen.

    Args:
        a: Place of the first image of each pair.
        b: Place of the second, always behind the first.
        similarity: How alike they are, 0 to 1, to four decimals.
        repeats: Of shape (m, 2): the place of each repeated image, and of the one that stands for it, which is
            verified alike to it and never repeated itself; sorted. Nearly always of shape (0, 2).
    """

    a: Indices
    b: Indices
    similarity: npt.NDArray[np.float64]
    repeats: Indices


class PairCollector:
    """Keep pairs, and decide who is repeated, image by image in the order of their places.

    An image that is like one that stands for others is repeated of it; else, if it is like more than
    :data:`MOST_LIKES` that are kept, it stands for them. So no two that stand for others are alike, and at most that
    many pairs are kept for each image.

    Args:
        count: How many images there are.
        protected: Which are never repeated, of shape (count,); default: none.
    """

    def __init__(self, count: int, protected: Flags | None = None) -> None:
        self.kept = np.ones(count, bool)
        self._stands = np.zeros(count, bool)
        self._protected = np.zeros(count, bool) if protected is None else protected
        self._pairs: list[Indices] = [np.empty((2, 0), np.int64)]
        self._similarity: list[npt.NDArray[np.float64]] = [np.empty(0)]
        self._repeats: list[Indices] = [np.empty((0, 2), np.int64)]

    def enter(self, one: int, others: Indices, similarity: npt.NDArray[np.float64]) -> None:
        """Enter what an image is like, after all images before it: the others, and how like."""
        if not self.kept[one]:
            return
        kept = self.kept[others]
        free = kept & ~self._protected[others]
        stands = np.where(self._stands[others], similarity, 0)  # who stands for others is always kept
        if stands.any():
            if not self._protected[one]:
                self._repeat(np.array([one]), int(others[stands.argmax()]))
                return
        elif np.count_nonzero(free) > MOST_LIKES:
            self._stands[one] = True
            self._repeat(others[free], one)
            kept &= ~free
        self._pairs.append(np.stack([np.full(np.count_nonzero(kept), one), others[kept]]))
        self._similarity.append(similarity[kept])

    def _repeat(self, members: Indices, stand_in: int) -> None:
        self.kept[members] = False
        self._repeats.append(np.column_stack([members, np.full(len(members), stand_in)]))

    def links(self) -> VerifiedPairs:
        """Return the pairs of images that are kept, each once, with the best that any of their views reached."""
        (one, other), similarity = np.concatenate(self._pairs, axis=1), np.concatenate(self._similarity)
        kept = self.kept[one] & self.kept[other]
        one, other, similarity = one[kept], other[kept], similarity[kept]
        a, b = np.minimum(one, other), np.maximum(one, other)
        order = np.lexsort((similarity, b, a))
        a, b, similarity = a[order], b[order], similarity[order]
        last = np.append((np.diff(a) != 0) | (np.diff(b) != 0), True)[: len(a)]
        repeats = np.concatenate(self._repeats)
        return VerifiedPairs(a[last], b[last], similarity[last], repeats[np.argsort(repeats[:, 0])])


def groups(count: int, links: VerifiedPairs) -> Indices:
    """Return for each of ``count`` images the leader of its group: itself, or an image that it is linked to.

    Groups are stars, not chains: of images that change a little from one to the next, A is like B and B like C, but A
    is not like Z, and joining whatever is linked would swallow the class. So a leader is whoever has no leader before
    it among its likes; everybody else follows the leader that it is most like, of equals the first. No two leaders are
    alike, each follower is verified alike to its leader, and an image that comes or goes moves only those about it.

    Repeated images (see :class:`pixmill.images.likeness.neighbours.VerifiedPairs`) follow the one that stands for them.

    Args:
        count: How many images there are.
        links: The verified pairs among them.

    Returns:
        The place of each image's leader; its own place where it leads or is like none.
    """
    a, b = np.concatenate([links.a, links.b]), np.concatenate([links.b, links.a])
    leads = _leads(count, links.repeats, a, b)
    follows = ~leads[a] & leads[b]
    a, b, similarity = a[follows], b[follows], np.concatenate([links.similarity] * 2)[follows]
    worst_first = np.lexsort((-b, similarity, a))
    leader = np.arange(count)
    leader[a[worst_first]] = b[worst_first]  # of several values for one place numpy keeps the last
    leader[links.repeats[:, 0]] = links.repeats[:, 1]
    return leader


def _leads(count: int, repeats: Indices, a: Indices, b: Indices) -> npt.NDArray[np.bool_]:
    """Tell for each image whether it leads; each pair is given both ways."""
    leads = np.ones(count, bool)
    leads[repeats[:, 0]] = False
    rank = np.arange(count)
    rank[repeats[:, 1]] -= count  # those that stand for others first: what is repeated of them has no other leader
    after = np.flatnonzero(rank[a] < rank[b])
    after = after[np.argsort(rank[a[after]], kind="stable")]
    a, b = a[after], b[after]
    starts = np.flatnonzero(np.diff(a, prepend=-1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(a)], strict=False):
        if leads[a[start]]:
            leads[b[start:stop]] = False
    return leads
