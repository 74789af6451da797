import numpy as np
import pytest
from hypothesis import assume, given
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from pixmill.metrics import best_temperature, losses, normalised, tempered
from tests.metrics.parts import parts


def said(logits, temperature=1.0):
    return softmax(np.asarray(logits) / temperature, axis=1)


def drawn(temperature, pictures=4000):
    """Return labels that follow a softmax, and what a model says whose logits are too large by the temperature."""
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (pictures, 4))
    honest = said(logits)
    actual = np.array([generator.choice(4, p=row) for row in honest])
    return actual, said(logits * temperature), honest


@given(parts())
def test_it_is_the_softmax_of_the_divided_logits(part):
    values = (part[1] + 0.01) / (part[1] + 0.01).sum(axis=1, keepdims=True)
    assert tempered(values, 2.5) == pytest.approx(said(np.log(values), 2.5), abs=1e-9)
    assert np.array_equal(tempered(part[1], 1), normalised(part[1]))


@given(parts())
def test_it_never_changes_which_class_is_first(part):
    _, probabilities = part
    first = np.take_along_axis(tempered(probabilities, 3.0), probabilities.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.array_equal(first, tempered(probabilities, 3.0).max(axis=1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_model_that_is_too_sure_by_a_factor_is_found_out(temperature):
    actual, spoken, honest = drawn(temperature)
    found = best_temperature(actual, spoken)
    assert found == pytest.approx(temperature, rel=0.05)
    assert tempered(spoken, temperature) == pytest.approx(honest, abs=1e-6)


@given(parts())
def test_it_is_what_scipy_finds_by_search(part):
    actual, probabilities = part
    found = best_temperature(actual, probabilities)
    assume(found is not None)

    def loss(logarithm):
        return losses(actual, tempered(probabilities, float(np.exp(logarithm)))).mean()

    searched = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    assert loss(np.log(found)) <= searched.fun + 1e-9


def test_a_model_that_is_always_right_has_none():
    assert best_temperature(np.array([0, 1]), [[0.6, 0.4], [0.2, 0.8]]) is None


def test_one_that_is_no_better_than_chance_has_none():
    assert best_temperature(np.array([0, 1]), [[0.4, 0.6], [0.9, 0.1]]) is None
    assert best_temperature(np.array([0, 1]), [[0.5, 0.5], [0.5, 0.5]]) is None
