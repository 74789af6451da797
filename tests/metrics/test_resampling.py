"""Resampling, compared with metrics of repeated images."""

import numpy as np
import pytest
from hypothesis import given, settings

from pixmill.metrics.resampling import (
    group_numbers,
    group_weights,
    resampled_scores,
)
from pixmill.metrics.scores import class_scores, scores
from tests.metrics.parts import parts

DRAWS = 5


def plain(actual, probabilities, groups, *, top_k):
    """Yield the metrics of each draw, computed from repeated images."""
    numbers = group_numbers(groups)
    weights = np.concatenate(list(group_weights(int(numbers.max()) + 1, DRAWS)), axis=1).astype(int)
    for column in weights.T:
        chosen = np.repeat(np.arange(len(actual)), column[numbers])
        labels = [str(place) for place in range(probabilities.shape[1])]
        again = actual[chosen]
        given = probabilities[chosen]
        yield scores(again, given, top_k=top_k), class_scores(again, given.argmax(axis=1), labels)


@settings(max_examples=10)
@given(parts())
def test_draws_equal_metrics_of_repeated_images(part):
    actual, probabilities = part
    groups = np.arange(len(actual)) // 2
    overall, of_classes = resampled_scores(actual, probabilities, groups, draws=DRAWS, top_k=2)
    for draw, (expected, per_class) in enumerate(plain(actual, probabilities, groups, top_k=2)):
        for name, values in overall.items():
            assert values[draw] == pytest.approx(none_as_nan(expected[name]), abs=1e-9, nan_ok=True)
        for name, values in of_classes.items():
            for place, row in enumerate(per_class.values()):
                assert values[place, draw] == pytest.approx(
                    none_as_nan(row[name]), abs=1e-9, nan_ok=True
                )


def none_as_nan(value):
    return np.nan if value is None else value


def test_each_draw_has_as_many_groups_as_the_sample():
    weights = list(group_weights(1000, 150))
    assert [chunk.shape for chunk in weights] == [(1000, 64), (1000, 64), (1000, 22)]
    together = np.concatenate(weights, axis=1)
    assert (together.sum(axis=0) == 1000).all()
    assert together.std() == pytest.approx(1, abs=0.02)
    assert np.array_equal(together[:, :3], next(group_weights(1000, 3)))


def test_draws_are_reduced_to_a_minimum_of_1000(monkeypatch):
    monkeypatch.setattr("pixmill.metrics.resampling._MAX_WORK", 3_000_000)
    generator = np.random.default_rng(1)
    for images, made in ((500, 3000), (2000, 1000)):
        given = generator.dirichlet(np.ones(2), images)
        actual = generator.integers(0, 2, images)
        overall, of_classes = resampled_scores(actual, given, np.zeros(images), draws=5000)
        assert {values.shape[-1] for values in (*overall.values(), *of_classes.values())} == {made}
