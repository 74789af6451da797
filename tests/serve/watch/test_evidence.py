"""Evidence that may be looked at after every image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.serve.watch.evidence import ALARM, change, fall, preference

ANSWERS = st.lists(st.booleans(), min_size=1, max_size=60)


def alarms(evidence):
    return bool((evidence >= ALARM).any())


def test_one_unchanged_stream_in_20_has_a_false_alarm():
    generator = np.random.default_rng(1)
    found = [alarms(change(generator.random(400)).evidence) for _ in range(200)]
    assert np.mean(found) <= 0.05


def test_a_change_is_found_and_dated():
    generator = np.random.default_rng(2)
    for _ in range(20):
        found = change(np.r_[generator.random(300), generator.random(150) ** 4])
        assert not alarms(found.evidence[:300])
        assert alarms(found.evidence)
        assert abs(found.start - 300) <= 50


def test_no_stream_has_no_change():
    found = change(np.zeros(0))
    assert (len(found.evidence), found.start) == (0, 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(0, 80))
def test_later_p_values_leave_the_evidence(p, end):
    assert change(np.array(p[:end])).evidence == pytest.approx(change(np.array(p)).evidence[:end])


@pytest.mark.parametrize(("accuracy", "known"), [(0.7, 50), (0.9, 250), (0.98, 1000)])
def test_an_accuracy_that_holds_has_one_false_alarm_in_20(accuracy, known):
    generator = np.random.default_rng(3)
    found = [
        alarms(fall(generator.random(400) < accuracy, generator.binomial(known, accuracy), known))
        for _ in range(1000)
    ]
    assert np.mean(found) <= 0.05


def test_most_falls_of_20_points_are_found_within_60_labels():
    generator = np.random.default_rng(4)
    found = [
        alarms(fall(generator.random(60) < 0.7, generator.binomial(250, 0.9), 250))
        for _ in range(1000)
    ]
    assert np.mean(found) > 0.87


@given(ANSWERS, st.randoms(use_true_random=False), st.integers(0, 50), st.integers(50, 500))
def test_evidence_of_a_fall_depends_on_the_number_of_right_answers_alone(
    right, random, known_right, known
):
    shuffled = random.sample(right, len(right))
    expected = fall(right, known_right, known)[-1]
    assert fall(shuffled, known_right, known)[-1] == pytest.approx(expected)


def test_a_larger_test_split_tells_more():
    right = [False, True] * 15
    assert fall(right, 90, 100)[-1] < fall(right, 900, 1000)[-1]


def test_the_worse_of_two_models_is_hardly_ever_preferred():
    generator = np.random.default_rng(5)
    wrong = []
    found = []
    for _ in range(1000):
        evidence = preference(generator.random(500) < 0.5)
        wrong.append(alarms(evidence))
        found.append(alarms(preference(generator.random(500) < 0.65)))
    assert np.mean(wrong) <= 0.05
    assert np.mean(found) > 0.95


@given(ANSWERS)
def test_both_models_are_treated_alike(wins):
    assert preference(wins) == pytest.approx(preference([not each for each in wins]))
