"""An image's part follows from its own name, for ever."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.images.parts import PARTS
from pixmill.split.assignment import TEST, TRAIN, VAL, folds_of, keep_given, place, places, sides_of
from tests.split.conftest import ids

SALTS = st.text(max_size=8)
NAMES = st.lists(st.text(max_size=12), max_size=20)
PLACES = st.lists(st.floats(0, 1, exclude_max=True), max_size=20).map(np.array)
IDS = ids(20_000)


def test_the_place_of_an_id_is_pinned():
    # If this fails, every split that people have changes.
    assert place("0" * 64, "pixmill") == 0.3936977882254203


@settings(max_examples=25)
@given(NAMES, SALTS)
def test_a_place_is_that_of_the_salted_digest(names, salt):
    for name, at in zip(names, places(names, salt), strict=True):
        assert at == int(hashlib.sha256((salt + name).encode()).hexdigest()[:16], 16) / 2**64
        assert 0 <= at <= 1


def test_the_ranks_are_those_of_the_parts():
    assert [PARTS[side] for side in (TRAIN, VAL, TEST)] == ["train", "val", "test"]
    assert TRAIN < VAL < TEST


@settings(max_examples=25)
@given(PLACES, st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_another_share_of_val_moves_nothing_in_or_out_of_test(at, test, val, other):
    before, after = sides_of(at, val=val, test=test), sides_of(at, val=other, test=test)
    np.testing.assert_array_equal(before == TEST, after == TEST)


def test_the_test_part_lies_first_then_val():
    found = sides_of(np.array([0.0, 0.1999, 0.2, 0.3499, 0.35, 0.99]), val=0.15, test=0.2)
    assert found.tolist() == [TEST, TEST, VAL, VAL, TRAIN, TRAIN]


def test_parts_have_their_shares_and_another_salt_is_another_split():
    splits = [sides_of(places(IDS, salt), val=0.15, test=0.2) for salt in ("one", "other")]
    for sides in splits:
        shares = np.bincount(sides) / len(sides)
        assert np.abs(shares - (0.65, 0.15, 0.2)).max() < 0.012
    # Two independent splits agree by chance in .65² + .15² + .2² of the images.
    assert abs((splits[0] == splits[1]).mean() - 0.485) < 0.015


def test_what_people_gave_is_kept_and_the_rest_goes_by_the_hash():
    at = np.array([0.05, 0.05, 0.05, 0.5])
    given_by_people = np.array([TRAIN, VAL, TEST, -1], np.int8)
    sides = sides_of(at, val=0.15, test=0.2)
    assert keep_given(sides, given_by_people, at, val=0.15).tolist() == [TRAIN, VAL, TEST, TRAIN]


def test_where_people_made_no_validation_part_it_is_taken_from_training():
    at = np.array([0.05, 0.16, 0.05, 0.16])
    given_by_people = np.array([TRAIN, TRAIN, TEST, -1], np.int8)
    sides = sides_of(at, val=0.15, test=0.2)
    assert keep_given(sides, given_by_people, at, val=0.15).tolist() == [VAL, TRAIN, TEST, TEST]


def test_folds_are_even_and_of_other_dice_than_parts():
    folds = folds_of(IDS, "pixmill", 5)
    sides = sides_of(places(IDS, "pixmill"), val=0.15, test=0.2)
    assert set(folds) == set(range(5))
    for side in (TRAIN, VAL):
        shares = np.bincount(folds[sides == side]) / np.count_nonzero(sides == side)
        assert np.abs(shares - 0.2).max() < 0.02


@settings(max_examples=25)
@given(NAMES, SALTS, st.integers(2, 100))
def test_a_fold_is_one_of_those_that_were_asked_for(names, salt, count):
    folds = folds_of(names, salt, count)
    assert all(0 <= fold < count for fold in folds)
