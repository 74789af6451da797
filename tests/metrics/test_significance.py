"""Significance of differences between two models, and between a slice and the rest."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from pixmill.metrics.scores import scores
from pixmill.metrics.significance import (
    holm,
    mcnemar,
    paired_coverage,
    paired_differences,
    worse_than_rest,
)


def models(gained, lost, same=5):
    """Return whether two models are correct, for given numbers of differing and equal images."""
    first = np.array([*[False] * gained, *[True] * lost, *[True] * same, *[False] * same])
    return first, np.array([*[True] * gained, *[False] * lost, *[True] * same, *[False] * same])


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_mcnemar_equals_scipys_binomial_test(gained, lost, same):
    found = mcnemar(*models(gained, lost, same))
    assert (found.gained, found.lost) == (gained, lost)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert found.p == pytest.approx(expected, abs=1e-9)


LABELS = ("a", "b", "c")


def two(images, *, step, seed=1):
    """Return labels and two models that fail on similar images; the second is better by a step."""
    generator = np.random.default_rng(seed)
    actual = generator.integers(0, 3, images)
    seen = generator.normal(0, 1, (images, 3))
    models = []
    for clear in (1.5, 1.5 + step):
        logits = seen + generator.normal(0, 0.2, seen.shape) + clear * np.eye(3)[actual]
        models.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return actual, *models


def compared(actual, first, second, *, groups=None, draws=2000, width=1.0):
    groups = np.arange(len(actual)) if groups is None else groups
    return paired_differences(
        actual, first, second, groups, draws=draws, confidence=0.95, top_k=2, width=width
    )[0]


def test_difference_is_that_of_the_metrics():
    actual, first, second = two(200, step=0.5)
    found = compared(actual, first, second)
    before = scores(actual, first, top_k=2)
    after = scores(actual, second, top_k=2)
    assert set(found) == set(before) - {"n"}
    for name, row in found.items():
        assert (row.first, row.second) == (before[name], after[name])
        assert row.difference == pytest.approx(after[name] - before[name])
        assert row.low <= row.high


def test_identical_models_do_not_differ():
    actual, first, _ = two(100, step=0)
    for row in compared(actual, first, first).values():
        assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)


def test_near_duplicates_widen_the_limits_of_a_difference():
    actual, first, second = two(80, step=0.3)
    alone = compared(actual, first, second)["accuracy"]
    repeated = [np.repeat(array, 5, axis=0) for array in (actual, first, second)]
    row = compared(*repeated, groups=np.repeat(np.arange(80), 5))["accuracy"]
    assert (row.low, row.high, row.p) == (
        pytest.approx(alone.low),
        pytest.approx(alone.high),
        alone.p,
    )


def test_width_widens_all_limits_and_raises_p():
    actual, first, second = two(200, step=0.1)
    plain = compared(actual, first, second)
    wide = compared(actual, first, second, width=1.25)
    for name, row in plain.items():
        assert wide[name].difference == row.difference
        limits = [row.difference + 1.25 * (limit - row.difference) for limit in (row.low, row.high)]
        assert (wide[name].low, wide[name].high) == pytest.approx(limits, abs=1e-9)
        assert wide[name].p >= row.p
    assert wide["log_loss"].p > plain["log_loss"].p


def answers(images, *, seed=1, share=0.5, right=0.9):
    """Return hits and coverage of two models, drawn independently."""
    generator = np.random.default_rng(seed)
    return generator.random((2, images)) < right, generator.random((2, images)) < share


def answering(right, answered, *, groups=None, draws=4000, identical=False):
    groups = np.arange(len(right[0])) if groups is None else groups
    return paired_coverage(
        right, answered, groups, draws=draws, confidence=0.95, identical=identical
    )


def test_coverage_and_covered_accuracy_are_resampled_together():
    right, answered = answers(300)
    groups = np.arange(300) // 2
    found = answering(right, answered, groups=groups)
    generator = np.random.default_rng(3)
    drawn = {name: [] for name in found}
    for _ in range(4000):
        chosen = np.concatenate(
            [[2 * group, 2 * group + 1] for group in generator.integers(150, size=150)]
        )
        shares = [sure[chosen].mean() for sure in answered]
        accuracies = [
            hit[chosen][sure[chosen]].mean() for hit, sure in zip(right, answered, strict=True)
        ]
        for name, pair in (("coverage", shares), ("covered_accuracy", accuracies)):
            drawn[name].append(pair[1] - pair[0])
    for name, row in found.items():
        assert (row.low, row.high) == pytest.approx(
            np.quantile(drawn[name], [0.025, 0.975]), abs=0.008
        )
    assert found["coverage"].first == answered[0].mean()
    assert found["covered_accuracy"].second == pytest.approx(right[1][answered[1]].mean())


def test_coverage_of_identical_models():
    right, answered = answers(40)
    same = [right[0]] * 2, [answered[0]] * 2
    for row in answering(*same, identical=True).values():
        assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)
    # Another model with the same answers may differ on other images.
    found = answering(*same)
    assert found["coverage"].high == -found["coverage"].low == pytest.approx(1 - 0.025 ** (1 / 40))
    assert found["covered_accuracy"].high == pytest.approx(1 - 0.025 ** (1 / answered[0].sum()))


def test_no_covered_accuracy_without_answers():
    right, answered = answers(40)
    found = answering(right, [answered[0], np.zeros(40, bool)])
    assert [*found] == ["coverage"]
    assert found["coverage"].second == 0
    assert found["coverage"].high < 0


def test_few_differing_groups_are_not_significant():
    right = np.ones((2, 100), bool)
    answered = np.ones((2, 100), bool)
    answered[1, :5] = False
    assert answering(right, answered)["coverage"].high > 0
    answered[1, :8] = False
    row = answering(right, answered)["coverage"]
    assert row.high < 0
    # Eight images of one group count once.
    assert answering(right, answered, groups=np.maximum(np.arange(100), 7))["coverage"].high > 0


IMAGES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


@given(IMAGES)
def test_groups_of_one_image_equal_fishers_exact_test(images):
    right, inside = (np.array(column) for column in zip(*images, strict=True))
    assume(inside.any() and not inside.all())
    found = worse_than_rest(right, inside, np.arange(len(right)), draws=100)
    counts = [[np.sum(right & side), np.sum(~right & side)] for side in (inside, ~inside)]
    assert found == pytest.approx(fisher_exact(counts, alternative="less").pvalue, abs=1e-9)


def test_p_value_equals_that_of_shuffled_groups():
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


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


def test_equal_metrics_do_not_differ_by_rounding():
    """The F1 values of two models are permuted, so their means differ by 1e-16."""
    actual = np.repeat(np.arange(4), 12)
    errors = [4, 5, 1, 5]
    both = []
    for wrong in (errors, errors[::-1]):
        answers = np.where(
            np.tile(np.arange(12), 4) < np.repeat(wrong, 12), (actual + 1) % 4, actual
        )
        both.append(np.where(answers[:, None] == np.arange(4), 0.7, 0.1))
    overall, _ = paired_differences(
        actual, *both, np.tile(np.arange(12), 4), draws=400, confidence=0.95
    )
    assert overall["macro_f1"].difference == 0
