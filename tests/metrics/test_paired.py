import numpy as np
import pytest

from pixmill.metrics import paired_differences, score_limits, scores

LABELS = ("a", "b", "c")


def two(pictures, *, step, seed=1):
    """Return labels and two models that mostly fail on the same pictures; the second sees clearer by a step."""
    generator = np.random.default_rng(seed)
    actual = generator.integers(0, 3, pictures)
    seen = generator.normal(0, 1, (pictures, 3))
    models = []
    for clear in (1.5, 1.5 + step):
        logits = seen + generator.normal(0, 0.2, seen.shape) + clear * np.eye(3)[actual]
        models.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return actual, *models


def compared(actual, first, second, *, groups=None, draws=2000):
    groups = np.arange(len(actual)) if groups is None else groups
    return paired_differences(actual, first, second, groups, draws=draws, confidence=0.95, top_k=2)


def test_the_figures_are_those_of_each_and_the_difference_is_theirs():
    actual, first, second = two(200, step=0.5)
    found = compared(actual, first, second)
    before, after = scores(actual, first, top_k=2), scores(actual, second, top_k=2)
    assert set(found) == set(before) - {"n"}
    for name, row in found.items():
        assert (row.first, row.second) == (before[name], after[name])
        assert row.difference == pytest.approx(after[name] - before[name])
        assert row.low <= row.high


def test_what_pairs_tell_is_more_than_two_intervals_do():
    actual, first, second = two(400, step=0.25)
    row = compared(actual, first, second)["macro_f1"]
    assert row.low > 0
    assert row.p < 0.05
    low, high = (
        score_limits(actual, given, np.arange(400), LABELS, draws=2000, confidence=0.95)[0]["macro_f1"]
        for given in (first, second)
    )
    assert low[1] > high[0]


def test_a_model_is_no_better_than_itself():
    actual, first, _ = two(100, step=0)
    for row in compared(actual, first, first).values():
        assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)


def test_the_other_way_round_is_the_mirror():
    actual, first, second = two(150, step=0.3)
    there, back = compared(actual, first, second), compared(actual, second, first)
    for name, row in there.items():
        assert (row.low, row.high) == (pytest.approx(-back[name].high), pytest.approx(-back[name].low))
        assert row.p == back[name].p


def test_pictures_that_are_alike_count_as_one():
    actual, first, second = two(80, step=0.3)
    alone = compared(actual, first, second)["accuracy"]
    repeated = [np.repeat(array, 5, axis=0) for array in (actual, first, second)]
    row = compared(*repeated, groups=np.repeat(np.arange(80), 5))["accuracy"]
    assert (row.low, row.high, row.p) == (pytest.approx(alone.low), pytest.approx(alone.high), alone.p)


def test_models_that_are_alike_are_called_different_as_rarely_as_it_says():
    different = [compared(*two(120, step=0, seed=seed), draws=300)["log_loss"].p < 0.05 for seed in range(60)]
    assert np.mean(different) < 0.12


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="the same pictures and classes"):
        compared(np.array([0, 1]), [[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.2, 0.3], [0.5, 0.2, 0.3]])
