"""Verified pairs of near-duplicates, and groups of them without chaining."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Match = tuple[int, Indices, Similarities]
"""Place of an image, sorted places of those that one of its views matches, and similarities."""

MAX_NEAR_DUPLICATES = 50
"""An image with more near-duplicates becomes their representative, and they are repeated."""


@dataclass(frozen=True)
class VerifiedPairs:
    """Verified pairs of near-duplicates by the places of their images, sorted, and repeated images.

    If an image has more than :data:`MAX_NEAR_DUPLICATES` near-duplicates (such as a placeholder,
    recompressed ten thousand times), the pairs among all of them would not fit into memory. The
    image becomes their *representative* and they are *repeated*: the caller drops them (reason
    ``repeated:<id of the representative>``). Repeated images are in no pair. Among the other images
    **all** near-duplicate pairs are listed, so none can cross splits unnoticed.

    Args:
        a: Place of the first image of each pair.
        b: Place of the second image, greater than ``a``.
        similarity: Similarity, 0 to 1, to four decimals.
        repeats: Shape (m, 2), sorted: place of each repeated image and of its representative, a
            verified near-duplicate that is not repeated itself. Usually of shape (0, 2).
    """

    a: Indices
    b: Indices
    similarity: Similarities
    repeats: Indices

    def both_ways(self) -> tuple[Indices, Indices, Similarities]:
        """Return the places and similarities of each pair in both orders."""
        a = np.concatenate([self.a, self.b])
        b = np.concatenate([self.b, self.a])
        return a, b, np.tile(self.similarity, 2)


def by_key(keys: Indices, values: Indices) -> Iterator[tuple[int, Indices]]:
    """Yield each key with its values.

    Args:
        keys: Keys, sorted.
        values: The value of each.
    """
    found, starts = np.unique(keys, return_index=True)
    yield from zip(found.tolist(), np.split(values, starts[1:]), strict=False)


class PairCollector:
    """Collect pairs and determine repeated images, image by image in the order of their places.

    A near-duplicate of a representative is repeated. Otherwise an image with more than
    :data:`MAX_NEAR_DUPLICATES` kept near-duplicates becomes their representative. So no two
    representatives are near-duplicates, and at most this many pairs are kept per image.

    Args:
        count: Number of images.
        protected: Flags of shape (count,) for images that are never repeated; default: none.
    """

    def __init__(self, count: int, protected: Flags | None = None) -> None:
        self.kept = np.ones(count, bool)
        self._is_representative = np.zeros(count, bool)
        self._protected = np.zeros(count, bool) if protected is None else protected
        self._pairs: list[Indices] = [np.empty((2, 0), np.int64)]
        self._similarity: list[Similarities] = [np.empty(0)]
        self._repeats: list[Indices] = [np.empty((0, 2), np.int64)]

    def add(self, one: int, others: Indices, similarity: Similarities) -> None:
        """Add the near-duplicates of an image, after all images before it.

        Args:
            one: Place of the image.
            others: Places of its near-duplicates.
            similarity: Similarity of each.
        """
        if not self.kept[one]:
            return
        kept = self.kept[others]
        free = kept & ~self._protected[others]
        representatives = np.where(self._is_representative[others], similarity, 0)
        if representatives.any():
            if not self._protected[one]:
                self._repeat(np.array([one]), int(others[representatives.argmax()]))
                return
        elif np.count_nonzero(free) > MAX_NEAR_DUPLICATES:
            self._is_representative[one] = True
            self._repeat(others[free], one)
            kept &= ~free
        self._pairs.append(np.stack([np.full(np.count_nonzero(kept), one), others[kept]]))
        self._similarity.append(similarity[kept])

    def _repeat(self, members: Indices, representative: int) -> None:
        self.kept[members] = False
        self._repeats.append(np.column_stack([members, np.full(len(members), representative)]))

    def matches(self) -> tuple[Indices, Similarities]:
        """Return the kept images and others of shape (2, m), as added, with their similarity."""
        matches = np.concatenate(self._pairs, axis=1)
        kept = self.kept[matches].all(axis=0)
        return matches[:, kept], np.concatenate(self._similarity)[kept]

    def pairs(self) -> VerifiedPairs:
        """Return the pairs of kept images, with their highest similarity, and repeated images."""
        matches, similarity = self.matches()
        a = matches.min(axis=0)
        b = matches.max(axis=0)
        order = np.lexsort((similarity, b, a))
        a = a[order]
        b = b[order]
        similarity = similarity[order]
        last = np.append((np.diff(a) != 0) | (np.diff(b) != 0), True)[: len(a)]
        repeats = np.concatenate(self._repeats)
        return VerifiedPairs(a[last], b[last], similarity[last], repeats[np.argsort(repeats[:, 0])])


def groups(count: int, links: VerifiedPairs) -> Indices:
    """Return the leader of each image's group: the image itself or one of its near-duplicates.

    Groups are stars, not chains. In a series of images that change a little from one to the next, A
    is near B and B near C, but A differs from Z, and single linkage could merge a whole class.
    Therefore an image is a leader if no leader before it is its near-duplicate; every other image
    follows its most similar leader, of equals the first. No two leaders are near-duplicates, each
    follower is a verified near-duplicate of its leader, and adding or removing an image affects
    only its neighbourhood.

    Repeated images (see :class:`VerifiedPairs`) follow their representatives.

    Args:
        count: Number of images.
        links: Verified pairs among them.

    Returns:
        The place of each image's leader; its own place if it is a leader or has no near-duplicates.
    """
    leads = _leads(count, links)
    leader = find_most_similar(links, ~leads, leads)
    leader[links.repeats[:, 0]] = links.repeats[:, 1]
    return leader


def find_most_similar(links: VerifiedPairs, some: Flags, others: Flags) -> Indices:
    """Return the most similar near-duplicate of each image, of equals the first.

    Args:
        links: Verified pairs.
        some: Mask of the images.
        others: Mask of the images among which to search.

    Returns:
        Places of shape (n,); an image's own place if it has none, or is not among the first.
    """
    a, b, similarity = links.both_ways()
    wanted = some[a] & others[b]
    a = a[wanted]
    b = b[wanted]
    worst_first = np.lexsort((-b, similarity[wanted]))
    found = np.arange(len(some))
    found[a[worst_first]] = b[worst_first]  # for repeated indices NumPy keeps the last value
    return found


def _leads(count: int, links: VerifiedPairs) -> Flags:
    """Return flags of the leaders."""
    a, b, _ = links.both_ways()
    repeats = links.repeats
    leads = np.ones(count, bool)
    leads[repeats[:, 0]] = False
    rank = np.arange(count)
    rank[repeats[:, 1]] -= (
        count  # representatives come first, since repeated images have no other leader
    )
    after = np.flatnonzero(rank[a] < rank[b])
    after = after[np.argsort(rank[a[after]], kind="stable")]
    a = a[after]
    b = b[after]
    starts = np.flatnonzero(np.diff(a, prepend=-1))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(a)], strict=False):
        if leads[a[start]]:
            leads[b[start:stop]] = False
    return leads
