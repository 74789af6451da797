"""Images dropped to prevent leakage between splits."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.split.grouping import TEST, TRAIN, VAL
from pixmill.split.straddling import SplitConstraints, nearest, straddlers

COUNT = 12
ROWS = st.integers(0, COUNT - 1)
SIDES = st.lists(st.sampled_from([-1, TRAIN, VAL, TEST]), min_size=COUNT, max_size=COUNT).map(
    lambda sides: np.array(sides, np.int8)
)
PAIRS = st.lists(st.tuples(ROWS, ROWS).filter(lambda pair: pair[0] < pair[1]), unique=True)
SETS = st.lists(
    st.lists(st.integers(-1, 4), min_size=COUNT, max_size=COUNT).map(
        lambda numbers: np.array(numbers, np.int64)
    ),
    max_size=2,
)


def links(pairs, sets=()):
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return SplitConstraints(rows[:, 0], rows[:, 1], list(sets))


LINKS = st.builds(links, PAIRS, SETS)


def linked(found):
    """Return all linked pairs."""
    pairs = set(zip(found.a.tolist(), found.b.tolist(), strict=True))
    for numbers in found.sets:
        pairs |= {
            (a, b)
            for a, b in itertools.combinations(range(COUNT), 2)
            if numbers[a] == numbers[b] >= 0
        }
    return pairs


def sides(*letters):
    return np.array(
        [{"train": TRAIN, "val": VAL, "test": TEST, "": -1}[letter] for letter in letters], np.int8
    )


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=COUNT, max_size=COUNT).map(np.array), LINKS)
def test_nearest_is_the_first_linked_image(wanted, found):
    pairs = linked(found)
    for row, first in enumerate(nearest(wanted, found).tolist()):
        alike = [
            other
            for other in range(COUNT)
            if wanted[other] and (min(row, other), max(row, other)) in pairs
        ]
        # A wanted image in a set finds itself.
        in_set = wanted[row] and any(numbers[row] >= 0 for numbers in found.sets)
        assert first == min([*alike, *([row] if in_set else [])], default=COUNT)


def by_definition(assigned, pairs):
    """Return dropped rows with their rivals: val against test, then train against the rest."""
    dropped = {}
    for side in (VAL, TRAIN):
        for row in range(COUNT):
            if assigned[row] == side:
                alike = [b if a == row else a for a, b in pairs if row in (a, b)]
                rivals = [
                    other for other in alike if assigned[other] > side and other not in dropped
                ]
                if rivals:
                    dropped[row] = min(rivals)
    return dropped


@settings(max_examples=25)
@given(SIDES, LINKS)
def test_drops_by_rank_until_no_link_crosses_splits(assigned, found):
    against, kind = straddlers(assigned, found)
    pairs = linked(found)
    dropped = {row: other for row, other in enumerate(against.tolist()) if other >= 0}
    assert dropped == by_definition(assigned, pairs)
    assert [row for row in range(COUNT) if kind[row] == 0] == sorted(dropped)
    left = np.where(against < 0, assigned, -1)
    assert not [(a, b) for a, b in pairs if left[a] >= 0 and left[b] >= 0 and left[a] != left[b]]


@settings(max_examples=25)
@given(SIDES, LINKS, LINKS)
def test_kinds_are_combined(assigned, one, other):
    against, kind = straddlers(assigned, one, other)
    dropped = by_definition(assigned, linked(one) | linked(other))
    assert np.flatnonzero(against >= 0).tolist() == sorted(dropped)
    for row in dropped:
        pair = tuple(sorted((row, int(against[row]))))
        assert pair in linked((one, other)[kind[row]])


@settings(max_examples=25)
@given(SIDES, PAIRS, st.randoms())
def test_order_of_pairs_does_not_matter(assigned, pairs, random):
    shuffled = [
        pair if random.random() < 0.5 else pair[::-1] for pair in random.sample(pairs, len(pairs))
    ]
    np.testing.assert_array_equal(
        straddlers(assigned, links(pairs))[0], straddlers(assigned, links(shuffled))[0]
    )


@settings(max_examples=25)
@given(SIDES, LINKS)
def test_test_split_keeps_its_images(assigned, found):
    against, _ = straddlers(assigned, found)
    assert (against[assigned == TEST] < 0).all()
    assert (against[assigned < 0] < 0).all()
