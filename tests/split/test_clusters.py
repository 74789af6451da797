"""Pictures that a chain of likenesses and given groups joins are of one cluster, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pixmill.split.clusters import clusters

MEMBERS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([None, *"uvwxyz"])), min_size=1, max_size=20)


def joined(members):
    """Return the clusters, found by joining them as long as there is something to join."""
    found = [group for group, _ in members]
    while True:
        before = list(found)
        for place, (group, name) in enumerate(members):
            kin = [n for n, (g, m) in enumerate(members) if g == group or (name is not None and m == name)]
            found[place] = min(before[n] for n in kin)
        if found == before:
            return found


@given(MEMBERS)
def test_they_are_what_joining_one_by_one_comes_to(members):
    groups, names = (np.array([member[place] for member in members], object) for place in (0, 1))
    assert clusters(groups, names).tolist() == joined(members)


def test_without_given_groups_they_are_the_near_duplicates():
    groups = np.array(["a", "a", "b"], object)
    assert clusters(groups, None).tolist() == ["a", "a", "b"]
    assert clusters(groups, np.array([None, pd.NA, np.nan], object)).tolist() == ["a", "a", "b"]
