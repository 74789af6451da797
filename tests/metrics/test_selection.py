"""Expected metric of the best of many models."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from pixmill.metrics.many_models import selected_value, stratified_weights

GROUPS = np.arange(300)
TABLES = 400
MODELS = 40


def answers(right: np.ndarray, actual: np.ndarray, classes: int = 3) -> list[np.ndarray]:
    """Return the probabilities of models that are correct where ``right`` is true."""
    return [np.eye(classes)[np.where(column, actual, (actual + 1) % classes)] for column in right.T]


def test_value_of_a_single_model() -> None:
    actual = np.arange(300) % 3
    found = selected_value(
        "macro_f1",
        actual,
        answers(GROUPS[:, None] >= 30, actual),
        GROUPS,
        draws=1000,
        confidence=0.95,
    )
    predicted = np.where(GROUPS < 30, (actual + 1) % 3, actual)
    assert found.value == pytest.approx(f1_score(actual, predicted, average="macro"), abs=0.01)
    assert found.low < found.value < found.high
    assert (found.draws, found.left_out) == (1000, 0)


def test_near_duplicates_are_drawn_together() -> None:
    weights = stratified_weights(
        np.repeat([0, 1], 30), np.repeat(np.arange(20), 3), 500, np.random.default_rng(1)
    )
    assert weights.shape == (20, 500)
    assert (weights[:10].sum(axis=0) == 10).all()
    assert (weights[10:].sum(axis=0) == 10).all()


def test_draws_that_lack_a_class_are_counted() -> None:
    actual = np.array([0] * 100 + [1] * 2)
    given = answers(np.ones((102, 1), bool), actual, 2)
    found = selected_value("macro_f1", actual, given, np.arange(102), draws=1000, confidence=0.95)
    assert found.draws == 1000
    assert found.left_out == pytest.approx(
        1000, abs=150
    )  # Both groups of two are drawn half of the time.
    alone = np.array([0] * 100 + [1])
    given = answers(np.ones((101, 1), bool), alone, 2)
    assert (
        selected_value("macro_f1", alone, given, np.arange(101), draws=100, confidence=0.95) is None
    )
