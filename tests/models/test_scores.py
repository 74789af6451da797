"""What is fitted is the classifier, by the loss that belongs to its end."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import objective, scores_graph
from pixmill.params import CnnParams, TrainParams
from tests.models.conftest import PARAMS

ENDS = ["softmax", "sigmoid", "logits"]
TARGETS = np.eye(3, dtype=np.float32)[np.arange(10) % 3]


def params_of(end, **changes):
    return PARAMS.model_copy(update={"cnn": PARAMS.cnn.model_copy(update={"end": end}), **changes})


@pytest.fixture
def ended(build):
    return lambda end: build(cnn=params_of(end).cnn)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("end", ENDS)
def test_what_is_fitted_are_the_classifier_s_own_weights(ended, end, pixels):
    import keras

    classifier = ended(end)
    before = [np.array(weight) for weight in classifier.get_weights()]
    graph = scores_graph(classifier)
    graph.compile(keras.optimizers.SGD(0.01), objective(params_of(end)), jit_compile=False)
    losses = [graph.train_on_batch(pixels, TARGETS) for _ in range(5)]
    assert np.all(np.isfinite(losses))
    assert all(
        not np.array_equal(old, new) for old, new in zip(before, classifier.get_weights(), strict=True) if old.any()
    )
    assert not classifier.compiled


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_of_what_is_said(ended, end, smoothing, pixels):
    scores = np.asarray(scores_graph(ended(end))(pixels), np.float64)
    if end == "sigmoid":
        targets = TARGETS * (1 - smoothing) + smoothing / 2
        expected = -(targets * np.log(sigmoid(scores)) + (1 - targets) * np.log(1 - sigmoid(scores)))
        expected = expected.mean(axis=1)
    else:
        targets = TARGETS * (1 - smoothing) + smoothing / 3
        expected = -(targets * np.log(scores if end == "softmax" else softmax(scores))).sum(axis=1)
    loss = objective(params_of(end, label_smoothing=smoothing))
    np.testing.assert_allclose(loss(TARGETS, scores.astype(np.float32)), expected.mean(), rtol=1e-5)
    weights = np.arange(10, dtype=np.float32)
    weighted = loss(TARGETS, scores.astype(np.float32), sample_weight=weights)
    np.testing.assert_allclose(weighted, (expected * weights).mean(), rtol=1e-5)


def test_only_a_plain_network_has_an_end_to_choose():
    params = TrainParams(model="backbone", cnn=CnnParams(end="sigmoid"))
    assert objective(params)(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)) < 1e-6


def test_a_sigmoid_end_answers_by_itself_and_is_scaled_when_used(ended, pixels):
    classifier = ended("sigmoid")
    answers = sigmoid(np.asarray(scores_graph(classifier)(pixels), np.float64))
    assert np.abs(answers.sum(axis=1) - 1).min() > 0.01
    np.testing.assert_allclose(classifier(pixels), answers / answers.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([-500, -500, -500], [1 / 3] * 3), ([-200, -900, -900], [1, 0, 0]), ([99, 99, -99], [0.5, 0.5, 0])],
)
def test_answers_that_are_all_no_or_yes_still_sum_to_one(ended, pixels, scores, expected):
    classifier = ended("sigmoid")
    kernel, _ = classifier.get_layer("scores").get_weights()
    classifier.get_layer("scores").set_weights([kernel * 0, np.float32(scores)])
    np.testing.assert_allclose(classifier(pixels[:1])[0], expected, atol=1e-6)


@pytest.mark.parametrize("end", ENDS)
def test_the_ends_stay_in_float32_when_the_rest_does_not(ended, end, pixels):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = ended(end)
    finally:
        keras.config.set_dtype_policy("float32")
    assert classifier.get_layer("dense_0").compute_dtype == "bfloat16"
    assert {str(model.output.dtype) for model in (classifier, scores_graph(classifier))} == {"float32"}
    np.testing.assert_allclose(np.asarray(classifier(pixels)).sum(axis=1), 1, atol=1e-6)
