"""A picture that is like very many stands for them, and all pairs of the others are kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pixmill.validate.links import MOST_LIKES, Alike, Ledger


def entered(count: int, likes: dict[int, list[int]], protected: list[int] | None = None):
    """Enter who is like whom, picture by picture, and return the links."""
    flags = np.zeros(count, bool)
    flags[protected or []] = True
    ledger = Ledger(count, flags)
    for one in range(count):
        others = np.array(sorted(likes.get(one, [])), np.int64)
        others = others[ledger.kept[others]] if ledger.kept[one] else others[:0]
        ledger.enter(Alike(np.full(len(others), one), others, np.ones(len(others))))
    return ledger.links()


def clump(members: list[int]) -> dict[int, list[int]]:
    return {one: [other for other in members if other != one] for one in members}


def test_the_first_of_a_clump_stands_for_it() -> None:
    members = list(range(3, 3 + MOST_LIKES + 5))
    links = entered(100, clump(members) | {90: [91], 91: [90]})
    assert links.repeats.tolist() == [[member, 3] for member in members[1:]]
    assert list(zip(links.a, links.b, strict=True)) == [(90, 91)]


def test_a_clump_that_is_small_enough_keeps_all_its_pairs() -> None:
    members = list(range(MOST_LIKES + 1))
    links = entered(MOST_LIKES + 1, clump(members))
    assert len(links.repeats) == 0
    assert len(links.a) == (MOST_LIKES + 1) * MOST_LIKES // 2


def test_who_is_protected_is_never_repeated() -> None:
    members = list(range(MOST_LIKES + 10))
    links = entered(len(members), clump(members), protected=[7])
    assert 7 not in links.repeats[:, 0]
    assert (0, 7) in set(zip(links.a.tolist(), links.b.tolist(), strict=True))


@given(st.integers(0, 2**32 - 1), st.integers(60, 160), st.floats(0.2, 1))
def test_all_pairs_of_those_that_are_not_repeated_are_there(seed: int, count: int, share: float) -> None:
    alike = np.triu(np.random.default_rng(seed).random((count, count)) < share, 1)
    alike |= alike.T
    links = entered(count, {one: np.flatnonzero(alike[one]).tolist() for one in range(count)})
    repeated, stands = set(links.repeats[:, 0].tolist()), links.repeats[:, 1]
    assert repeated.isdisjoint(stands.tolist())
    assert all(alike[member, stand_in] for member, stand_in in links.repeats)
    kept = [place for place in range(count) if place not in repeated]
    expected = {(a, b) for a in kept for b in kept if a < b and alike[a, b]}
    assert set(zip(links.a.tolist(), links.b.tolist(), strict=True)) == expected
