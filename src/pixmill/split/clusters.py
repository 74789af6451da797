"""Which pictures are no witnesses independent of each other: near-duplicates, and those of one given group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["clusters"]

Texts = npt.NDArray[np.object_]


def clusters(groups: Texts, names: Texts | None) -> Texts:
    """Return what stands for each picture's cluster: the least of its groups of near-duplicates.

    Two pictures are of one cluster where they share a group of near-duplicates or a given one, or where a chain of such
    pictures leads from one to the other.

    Args:
        groups: Each picture's group of near-duplicates.
        names: Each picture's given group, absent where it stands by itself; ``None`` where no groups were asked for.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if names is None:
        return groups
    group_of, known = pd.factorize(groups, sort=True)
    name_of, given = pd.factorize(names)
    named = name_of >= 0
    # Groups of both kinds are the nodes, and each picture that is in two of them joins these.
    count = len(known) + len(given)
    links = (np.ones(named.sum()), (group_of[named], len(known) + name_of[named]))
    _, component_of = connected_components(coo_array(links, shape=(count, count)), directed=False)
    _, first, component = np.unique(component_of[: len(known)], return_index=True, return_inverse=True)
    found: Texts = np.asarray(known, object)[first[component]][group_of]
    return found
