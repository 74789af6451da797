import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact

from pixmill.metrics import holm, worse_than_rest

PICTURES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


@given(PICTURES)
def test_with_one_picture_a_group_it_is_fishers_exact_test(pictures):
    right, inside = (np.array(column) for column in zip(*pictures, strict=True))
    found = worse_than_rest(right, inside, np.arange(len(right)), draws=100)
    if inside.all() or not inside.any():
        assert found is None
        return
    counts = [[np.sum(right & side), np.sum(~right & side)] for side in (inside, ~inside)]
    assert found == pytest.approx(fisher_exact(counts, alternative="less").pvalue, abs=1e-9)


def test_groups_of_one_size_are_tested_as_if_each_were_one_picture():
    right, inside = np.arange(40) % 3 > 0, np.arange(40) < 12
    alone = worse_than_rest(right, inside, np.arange(40), draws=100)
    grouped = worse_than_rest(np.repeat(right, 5), np.repeat(inside, 5), np.repeat(np.arange(40), 5), draws=50_000)
    assert grouped == pytest.approx(alone, abs=0.01)


def test_shuffles_agree_with_shuffling_the_groups_one_by_one():
    generator = np.random.default_rng(8)
    group_of = np.repeat(np.arange(60), generator.integers(1, 6, 60))
    right = generator.random(len(group_of)) < 0.8
    chosen = np.arange(60) < 20
    shuffled = []
    for _ in range(4000):
        inside = generator.permutation(chosen)[group_of]
        shuffled.append(right[inside].mean() - right[~inside].mean())
    seen = right[chosen[group_of]].mean() - right[~chosen[group_of]].mean()
    found = worse_than_rest(right, chosen[group_of], group_of, draws=20_000)
    assert found == pytest.approx(np.mean(np.array(shuffled) <= seen), abs=0.03)


def test_what_is_plainly_worse_is_told_and_what_is_better_is_not():
    right = np.arange(200) >= 40
    inside = np.arange(200) < 60
    assert worse_than_rest(right, inside, np.arange(200) // 2, draws=5000) == pytest.approx(1 / 5001)
    assert worse_than_rest(right, ~inside, np.arange(200) // 2, draws=5000) > 0.99


def test_chance_is_called_chance_as_often_as_it_says():
    generator = np.random.default_rng(4)
    group_of = np.repeat(np.arange(80), 2)
    values = []
    for _ in range(200):
        right = np.repeat(generator.random(80) < 0.7, 2)
        inside = np.repeat(generator.random(80) < 0.3, 2)
        values.append(worse_than_rest(right, inside, group_of, draws=500))
    assert np.mean(np.array(values) < 0.05) < 0.1


def test_holm_counts_each_question():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_one_question_and_bonferroni_and_above_benjamini_and_hochberg(values):
    adjusted, p = holm(values), np.array(values)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1) + 1e-12).all()
    assert (adjusted >= false_discovery_control(p) - 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
