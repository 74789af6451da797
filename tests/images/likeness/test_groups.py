"""Collection of pairs, and star-shaped groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.images.likeness.groups import MAX_NEAR_DUPLICATES, PairCollector, groups
from pixmill.images.likeness.neighbours import VerifiedPairs


def collected(count: int, likes: dict[int, list[int]], protected: list[int] | None = None):
    """Add the near-duplicates of each image, and return the verified pairs."""
    flags = np.zeros(count, bool)
    flags[protected or []] = True
    collector = PairCollector(count, flags)
    for one in range(count):
        others = np.array(sorted(likes.get(one, [])), np.int64)
        others = others[collector.kept[others]] if collector.kept[one] else others[:0]
        collector.add(one, others, np.ones(len(others)))
    return collector.pairs()


def clump(members: list[int]) -> dict[int, list[int]]:
    return {one: [other for other in members if other != one] for one in members}


def test_first_of_a_large_clump_is_the_representative() -> None:
    members = list(range(3, 3 + MAX_NEAR_DUPLICATES + 5))
    links = collected(100, clump(members) | {90: [91], 91: [90]})
    assert links.repeats.tolist() == [[member, 3] for member in members[1:]]
    assert list(zip(links.a, links.b, strict=True)) == [(90, 91)]


def test_protected_images_are_never_repeated() -> None:
    members = list(range(MAX_NEAR_DUPLICATES + 10))
    links = collected(len(members), clump(members), protected=[7])
    assert 7 not in links.repeats[:, 0]
    assert (0, 7) in set(zip(links.a.tolist(), links.b.tolist(), strict=True))


@given(st.integers(0, 2**32 - 1), st.integers(60, 160), st.floats(0.2, 1))
def test_all_pairs_of_unrepeated_images_are_listed(seed: int, count: int, share: float) -> None:
    alike = np.triu(np.random.default_rng(seed).random((count, count)) < share, 1)
    alike |= alike.T
    links = collected(count, {one: np.flatnonzero(alike[one]).tolist() for one in range(count)})
    repeated = set(links.repeats[:, 0].tolist())
    representatives = links.repeats[:, 1]
    assert repeated.isdisjoint(representatives.tolist())
    assert all(alike[member, representative] for member, representative in links.repeats)
    kept = [place for place in range(count) if place not in repeated]
    expected = {(a, b) for a in kept for b in kept if a < b and alike[a, b]}
    assert set(zip(links.a.tolist(), links.b.tolist(), strict=True)) == expected


def links_of(
    pairs: dict[tuple[int, int], float], repeats: list[tuple[int, int]] | None = None
) -> VerifiedPairs:
    places = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    similarity = np.array([pairs[pair] for pair in sorted(pairs)], np.float64)
    return VerifiedPairs(
        places[:, 0], places[:, 1], similarity, np.array(repeats or [], np.int64).reshape(-1, 2)
    )


@st.composite
def linked(draw) -> tuple[int, dict[tuple[int, int], float], list[tuple[int, int]]]:
    """Draw pairs among some images, and repeated images of up to two of them."""
    count = draw(st.integers(2, 25))
    place = st.integers(0, count - 1)
    ends = draw(
        st.lists(
            st.tuples(place, place).filter(lambda pair: pair[0] < pair[1]), max_size=40, unique=True
        )
    )
    pairs = {pair: draw(st.sampled_from([0.99, 0.9925, 0.995, 1.0])) for pair in ends}
    repeated = draw(st.integers(0, 5))
    # Two representatives are never near-duplicates.
    representatives = [0] if (0, 1) in pairs else [0, 1]
    repeats = [
        (count + number, draw(st.sampled_from(representatives))) for number in range(repeated)
    ]
    return count + repeated, pairs, repeats


@given(linked())
def test_followers_are_linked_to_leaders_and_leaders_are_not(case) -> None:
    count, pairs, repeats = case
    leader = groups(count, links_of(pairs, repeats))
    assert (leader[leader] == leader).all()
    likeness = {**pairs, **{(b, a): score for (a, b), score in pairs.items()}}
    repeated = dict(repeats)
    leads = {place for place in range(count) if leader[place] == place}
    for place in range(count):
        if place in repeated:
            assert leader[place] == repeated[place]
        elif place not in leads:
            best = max(
                (score, -other)
                for (one, other), score in likeness.items()
                if one == place and other in leads
            )
            assert leader[place] == -best[1]
    assert not any(a in leads and b in leads for a, b in pairs)
    assert set(repeated.values()) <= leads


@pytest.mark.parametrize("gone", range(0, 60, 7))
def test_removed_image_affects_only_its_family(gone: int) -> None:
    generator = np.random.default_rng(5)
    family = generator.integers(0, 12, 60)  # images are linked within twelve families only
    pairs = {
        (a, b): 0.99 + 0.0001 * int(generator.integers(0, 100))
        for a in range(60)
        for b in range(a + 1, 60)
        if family[a] == family[b] and generator.random() < 0.6
    }
    before = groups(60, links_of(pairs))
    after = groups(60, links_of({pair: score for pair, score in pairs.items() if gone not in pair}))
    moved = np.flatnonzero(before != after)
    assert set(family[moved].tolist()) <= {family[gone]}
