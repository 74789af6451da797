"""Groups of near-duplicates that no chain can join: a leader each, and what is verified alike to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.validate.links import Links

__all__ = ["groups"]

Indices = npt.NDArray[np.int64]


def groups(count: int, links: Links) -> Indices:
    """Return for each of ``count`` pictures the leader of its group: itself, or a picture that it is linked to.

    Groups are stars, not chains: of pictures that change a little from one to the next, A is like B and B like C, but A
    is not like Z, and joining whatever is linked would swallow the class. So a leader is whoever has no leader before
    it among its likes; everybody else follows the leader that it is most like, of equals the first. No two leaders are
    alike, each follower is verified alike to its leader, and a picture that comes or goes moves only those about it.

    Repeated pictures (see :class:`pixmill.validate.neighbours.Links`) follow the one that stands for them.

    Args:
        count: How many pictures there are.
        links: The verified pairs among them.

    Returns:
        The place of each picture's leader; its own place where it leads or is like none.
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
    """Tell for each picture whether it leads; each pair is given both ways."""
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
