"""Split and fold of an image."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.images.parts import PARTS
from pixmill.split.grouping import TEST, TRAIN, VAL, folds_of, keep_given, places, sides_of
from tests.split.conftest import ids

SALTS = st.text(max_size=8)
NAMES = st.lists(st.text(max_size=12), max_size=20)
PLACES = st.lists(st.floats(0, 1, exclude_max=True), max_size=20).map(np.array)
IDS = ids(20_000)


def test_hash_of_an_id_is_pinned():
    # A failure means that all existing splits change.
    assert places(["0" * 64], "pixmill").tolist() == [0.3936977882254203]


@settings(max_examples=25)
@given(NAMES, SALTS)
def test_place_is_the_salted_digest(names, salt):
    for name, at in zip(names, places(names, salt), strict=True):
        assert at == int(hashlib.sha256((salt + name).encode()).hexdigest()[:16], 16) / 2**64
        assert 0 <= at <= 1


def test_ranks_follow_parts():
    assert [PARTS[side] for side in (TRAIN, VAL, TEST)] == ["train", "val", "test"]
    assert TRAIN < VAL < TEST


@settings(max_examples=25)
@given(PLACES, st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_share_of_val_does_not_change_test(at, test, val, other):
    before = sides_of(at, val=val, test=test)
    after = sides_of(at, val=other, test=test)
    np.testing.assert_array_equal(before == TEST, after == TEST)


def test_test_comes_first_then_val():
    found = sides_of(np.array([0.0, 0.1999, 0.2, 0.3499, 0.35, 0.99]), val=0.15, test=0.2)
    assert found.tolist() == [TEST, TEST, VAL, VAL, TRAIN, TRAIN]


def test_splits_have_their_shares_and_depend_on_salt():
    splits = [sides_of(places(IDS, salt), val=0.15, test=0.2) for salt in ("one", "other")]
    for sides in splits:
        shares = np.bincount(sides) / len(sides)
        assert np.abs(shares - (0.65, 0.15, 0.2)).max() < 0.012
    # Two independent splits agree by chance in .65² + .15² + .2² of the images.
    assert abs((splits[0] == splits[1]).mean() - 0.485) < 0.015


def test_predefined_splits_are_kept():
    at = np.array([0.05, 0.05, 0.05, 0.5])
    predefined = np.array([TRAIN, VAL, TEST, -1], np.int8)
    sides = sides_of(at, val=0.15, test=0.2)
    assert keep_given(sides, predefined, at, val=0.15).tolist() == [TRAIN, VAL, TEST, TRAIN]


def test_validation_is_drawn_from_predefined_training():
    at = np.array([0.05, 0.16, 0.05, 0.16])
    predefined = np.array([TRAIN, TRAIN, TEST, -1], np.int8)
    sides = sides_of(at, val=0.15, test=0.2)
    assert keep_given(sides, predefined, at, val=0.15).tolist() == [VAL, TRAIN, TEST, TEST]


def test_folds_are_even_within_splits():
    folds = folds_of(IDS, "pixmill", 5)
    sides = sides_of(places(IDS, "pixmill"), val=0.15, test=0.2)
    assert set(folds) == set(range(5))
    for side in (TRAIN, VAL):
        shares = np.bincount(folds[sides == side]) / np.count_nonzero(sides == side)
        assert np.abs(shares - 0.2).max() < 0.02


@settings(max_examples=25)
@given(NAMES, SALTS, st.integers(2, 100))
def test_folds_are_below_count(names, salt, count):
    folds = folds_of(names, salt, count)
    assert all(0 <= fold < count for fold in folds)
