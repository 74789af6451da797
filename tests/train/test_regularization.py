"""The regularization path: another C is recommended only if it is significantly better."""

import numpy as np
import pytest

from pixmill.core.params import FeaturesParams, TrainParams
from pixmill.train.logistic import fit_logistic, fit_path
from pixmill.train.regularization import FACTORS, is_affordable, regularization_path
from tests.train.test_learning_curve import split_of
from tests.train.test_logistic import PARAMS, draw, softmax

COUNT, WIDTH = 400, 150


def params(c: float, threads: int = 2) -> TrainParams:
    return TrainParams(model="features", threads=threads, features=FeaturesParams(inverse_regularization=c))


@pytest.fixture(scope="module")
def drawn():
    """Features that hardly separate two classes, and the classes; three quarters are for training."""
    chance = np.random.default_rng(3)
    targets = np.arange(COUNT, dtype=np.int32) % 2
    seen = chance.normal(size=(COUNT, WIDTH)) + 0.2 * chance.normal(size=(2, WIDTH))[targets]
    return seen.astype(np.float32), targets


def path(drawn, c, *, clusters=None):
    seen, targets = drawn
    first = 3 * COUNT // 4
    validation = split_of(targets[first:], range(COUNT - first) if clusters is None else clusters)

    def fit_each(values):
        return fit_path(seen[:first], targets[:first], params(c), values, labels=2, validation=seen[first:])

    return regularization_path(validation, c, fit_each)


def test_recommends_a_lower_c(drawn):
    found = path(drawn, 0.1)
    assert found.best < 0.1
    assert found.low > 0
    assert found.gain == pytest.approx(found.points[2].loss - min(point.loss for point in found.points), abs=1e-5)
    assert f"With train.features.inverse_regularization: {found.best:g}, the validation log-loss is" in found.sentence()
    assert set(found.figures()["validation"]) == {f"{0.1 * factor:g}" for factor in FACTORS}


def test_recommends_no_c_that_is_not_significantly_better(drawn):
    best = min(path(drawn, 0.01).points, key=lambda point: point.loss).c
    found = path(drawn, best)
    assert found.best == found.used
    assert found.sentence().startswith("No other value of train.features.inverse_regularization from ")
    assert found.sentence().endswith(f" is significantly better on validation than {best:g}.")


def test_more_confidence_is_no_gain_if_all_predictions_are_correct():
    chance = np.random.default_rng(3)
    targets = np.arange(COUNT, dtype=np.int32) % 2
    seen = (chance.normal(size=(COUNT, 10)) + 9 * targets[:, None]).astype(np.float32)
    found = path((seen, targets), 0.001)
    assert [point.accuracy for point in found.points] == [1.0] * len(FACTORS)
    assert found.points[-1].loss < found.points[2].loss
    assert found.best == found.used


def test_fits_equal_the_solver_and_do_not_depend_on_threads():
    seen, targets = draw(1200, 20, 3)
    options = {"labels": 3, "validation": seen[:50]}
    one, two = (fit_path(seen, targets, params(0.01, threads), [0.001, 0.01], **options) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    fitted = fit_logistic(seen, targets, PARAMS, labels=3)
    np.testing.assert_allclose(np.exp(one[1]), softmax(fitted, seen[:50]), atol=2e-3)


def test_the_cost_of_a_path_counts_classes() -> None:
    assert is_affordable(5000, 3344, 10)
    assert not is_affordable(5000, 3344, 200)
    assert not is_affordable(10_000, 3344, 2)
