"""Targets of a network's batches: their loss, and the answers that count."""

import numpy as np
import pytest
from scipy.special import expit

from pixmill.core.params import TrainParams
from pixmill.heads import head_of
from pixmill.models.determinism import fix_threads
from pixmill.models.tensorflow import tf
from pixmill.train.examples import examples_of

CELLS = np.array([[1, -1, 0], [0, 1, -1], [-1, -1, -1]], np.int8)
SCORES = np.array([[2.0, 3.0, 1.0], [-1.0, -2.0, 5.0], [9.0, 9.0, 9.0]], np.float32)


@pytest.fixture(autouse=True)
def threads():
    fix_threads(2)


def _loss(params, *, weighted=False):
    examples = examples_of(head_of("labels"), CELLS, params, 3)
    encoded = examples.encode(tf.constant(CELLS))
    return float(examples.loss(encoded, tf.constant(SCORES), weighted=weighted))


def test_loss_is_the_mean_over_known_cells():
    known = CELLS >= 0
    expected = -np.log(np.where(CELLS == 1, expit(SCORES), expit(-SCORES)))[known].mean()

    assert _loss(TrainParams(model="cnn")) == pytest.approx(expected, rel=1e-5)


def test_yes_and_no_of_a_label_have_equal_weight():
    cells = np.array([[1], [0], [0], [0], [-1]], np.int8)
    params = TrainParams(model="cnn", class_weights=True)
    examples = examples_of(head_of("labels"), cells, params, 1)
    scores = tf.constant(np.array([[1.0], [2.0], [2.0], [2.0], [7.0]], np.float32))

    found = float(examples.loss(examples.encode(tf.constant(cells)), scores, weighted=True))

    expected = -(np.log(expit(1.0)) + np.log(expit(-2.0))) / 2
    assert found == pytest.approx(expected, rel=1e-5)


def test_counts_are_those_of_known_cells():
    examples = examples_of(head_of("labels"), CELLS, TrainParams(model="cnn"), 3)

    right, known = examples.tally(examples.encode(tf.constant(CELLS)), tf.constant(SCORES))

    assert (float(right), float(known)) == (2, 4)
