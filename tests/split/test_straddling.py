"""After the straddlers are gone, no near-duplicate pair crosses; and no more are gone than need be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pixmill.parts import PARTS
from pixmill.split.straddling import crossing, straddlers

IDS = st.sampled_from("abcdefghijkl")
ASSIGNED = st.dictionaries(IDS, st.sampled_from(PARTS))
PAIRS = st.lists(st.tuples(IDS, IDS).filter(lambda pair: pair[0] < pair[1]), unique=True)


def kept(parts, pairs):
    dropped = straddlers(parts, pairs)
    return {identity: part for identity, part in parts.items() if identity not in dropped}


@given(ASSIGNED, PAIRS)
def test_no_kept_pair_crosses(parts, pairs):
    assert crossing(kept(parts, pairs), pairs) == []


@given(ASSIGNED, PAIRS, st.randoms())
def test_the_order_of_the_pairs_does_not_matter(parts, pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    assert straddlers(parts, pairs) == straddlers(parts, shuffled)


@given(ASSIGNED, PAIRS)
def test_test_keeps_its_pictures_and_who_goes_is_too_like_one_that_stays(parts, pairs):
    dropped = straddlers(parts, pairs)
    for identity, other in dropped.items():
        assert parts[identity] != "test"
        assert tuple(sorted((identity, other))) in pairs
        assert parts[other] != parts[identity]
        assert other not in dropped


def test_the_train_member_goes_then_the_val_member():
    assert straddlers({"a": "train", "b": "test"}, [("a", "b")]) == {"a": "b"}
    assert straddlers({"a": "train", "b": "val"}, [("a", "b")]) == {"a": "b"}
    assert straddlers({"a": "test", "b": "val"}, [("a", "b")]) == {"b": "a"}


def test_pairs_within_a_part_stay():
    assert straddlers({"a": "train", "b": "train"}, [("a", "b")]) == {}


def test_in_a_chain_a_picture_stays_whose_only_likeness_is_gone():
    parts = {"a": "train", "b": "val", "c": "test"}
    assert straddlers(parts, [("a", "b"), ("b", "c")]) == {"b": "c"}


def test_the_smallest_id_is_named():
    parts = {"a": "train", "c": "test", "b": "val"}
    assert straddlers(parts, [("a", "c"), ("a", "b")]) == {"a": "b"}
