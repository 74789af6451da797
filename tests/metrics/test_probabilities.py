"""Validation, normalisation, temperature scaling and loss of probabilities."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import softmax
from sklearn.metrics import log_loss

from pixmill.metrics.probabilities import apply_temperature, losses, normalise
from tests.metrics.parts import parts


@given(parts())
def test_mean_loss_equals_scikit_learn(part):
    actual, probabilities = part
    expected = log_loss(actual, probabilities, labels=np.arange(probabilities.shape[1]))
    assert losses(actual, probabilities).mean() == pytest.approx(expected, abs=1e-9)


def test_loss_of_probability_0_is_finite():
    assert losses(np.array([1]), [[1.0, 0.0]]) == pytest.approx([36.04365338911715])


@given(parts())
def test_normalise_keeps_the_order_and_sums_to_one(part):
    _, probabilities = part
    single = probabilities.astype(np.float32)
    values = normalise(single)
    assert values.dtype == np.float64
    assert values.sum(axis=1) == pytest.approx(1, abs=1e-15)
    assert np.array_equal(
        values.argsort(axis=1, kind="stable"), single.argsort(axis=1, kind="stable")
    )


@pytest.mark.parametrize(
    "values",
    [
        [[0.5, 0.6]],
        [[-0.1, 1.1]],
        [[np.nan, 1.0]],
        [[np.inf, 0.0]],
        [[1.0]],
        [0.5, 0.5],
        np.empty((0, 3)),
    ],
    ids=["sum", "negative", "nan", "infinite", "one class", "one axis", "no image"],
)
def test_rejects_invalid_distributions(values):
    with pytest.raises(ValueError, match="expected probabilities"):
        normalise(values)


def probabilities_at(logits, temperature=1.0):
    return softmax(np.asarray(logits) / temperature, axis=1)


@given(parts())
def test_apply_temperature_divides_the_logits(part):
    values = (part[1] + 0.01) / (part[1] + 0.01).sum(axis=1, keepdims=True)
    assert apply_temperature(values, 2.5) == pytest.approx(
        probabilities_at(np.log(values), 2.5), abs=1e-9
    )
    assert np.array_equal(apply_temperature(part[1], 1), normalise(part[1]))
