"""Networks from params: layers, weights and loss."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.errors import TrainError
from pixmill.core.params import BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.models.determinism import fix_threads
from pixmill.models.model_folder import load_classifier, save_classifier
from pixmill.models.networks import build_classifier, logits_graph, objective
from tests.models.conftest import PARAMS


def test_weights_depend_on_the_seed(build):
    first, same, other = (model.get_weights() for model in (build(), build(), build(seed=8)))
    assert all(np.array_equal(one, two) for one, two in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


ACTIVATIONS = get_args(BlockParams.model_fields["activation"].annotation)
ENDS = get_args(CnnParams.model_fields["end"].annotation)


@pytest.fixture
def network(build):
    return lambda **params: build(cnn=CnnParams(**params))


def test_grey_network_has_one_channel(network, pixels):
    grey = network(channels=1)
    assert grey.count_params() == network().count_params() - 2 * 9 * 16
    luma = np.repeat((pixels @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, axis=-1)
    np.testing.assert_allclose(grey(pixels), grey(luma), atol=2e-3)
    assert np.abs(np.asarray(network()(pixels)) - np.asarray(network()(luma))).max() > 2e-3


def test_rejects_images_too_small_for_the_layers(network):
    with pytest.raises(TrainError, match=r"train\.cnn\.blocks\.3: .* \(split\.image_size: 12\)"):
        network(blocks=(BlockParams(filters=2),) * 4)


SHARES = st.sampled_from([0.0, 0.3])
DENSE = st.lists(st.builds(DenseParams, units=st.integers(1, 6), dropout=SHARES), max_size=2).map(
    tuple
)
BLOCK = st.builds(
    BlockParams,
    filters=st.integers(1, 5),
    kernel=st.integers(1, 4),
    padding=st.sampled_from(["same", "valid"]),
    convolutions=st.integers(1, 2),
    activation=st.sampled_from(ACTIVATIONS),
    batch_norm=st.sampled_from([False, True, "after_pooling"]),
    pooling=st.integers(1, 3),
    pool_padding=st.sampled_from(["same", "valid"]),
    dropout=SHARES,
)
CNN = st.builds(
    CnnParams,
    channels=st.sampled_from([1, 3]),
    rescaling=st.sampled_from(["unit", "symmetric", "none"]),
    blocks=st.lists(BLOCK, min_size=1, max_size=2).map(tuple),
    head=st.sampled_from(["flatten", "average"]),
    dense=DENSE,
    end=st.sampled_from(ENDS),
)

SIDE = 36
"""Image side for two of any of these blocks: 36 - 6 = 30, 30 / 3 = 10, 10 - 6 = 4, 4 / 3 = 1."""


@settings(max_examples=5, deadline=None)
@given(params=CNN, labels=st.integers(2, 4))
def test_any_cnn_is_built_saved_and_loaded(params, labels, tmp_path_factory):
    fix_threads(2)
    folder = tmp_path_factory.mktemp("once")
    again = tmp_path_factory.mktemp("again")
    prepared = {"image_size": SIDE, "aspect": "pad", "resize": "bicubic"}
    model = build_classifier(TrainParams(model="cnn", cnn=params), labels=labels, image_size=SIDE)
    save_classifier(model, [str(label) for label in range(labels)], folder, **prepared)
    loaded, named = load_classifier(folder)
    save_classifier(loaded, named, again, **prepared)

    pixels = np.random.default_rng(7).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.float32)
    probabilities = np.asarray(model(pixels))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(loaded(pixels), probabilities)
    # The argmax may differ: sigmoids of logits above 17 are all 1.0, so probabilities may be equal.
    top = np.asarray(logits_graph(model)(pixels)).argmax(1)
    np.testing.assert_allclose(probabilities[np.arange(3), top], probabilities.max(1), atol=1e-6)
    for name in ("model.json", "model.weights.h5", "labels.json"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()


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
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_the_cross_entropy(ended, end, smoothing, pixels):
    scores = np.asarray(logits_graph(ended(end))(pixels), np.float64)
    if end == "sigmoid":
        targets = TARGETS * (1 - smoothing) + smoothing / 2
        expected = -(
            targets * np.log(sigmoid(scores)) + (1 - targets) * np.log(1 - sigmoid(scores))
        )
        expected = expected.mean(axis=1)
    else:
        targets = TARGETS * (1 - smoothing) + smoothing / 3
        expected = -(targets * np.log(softmax(scores))).sum(axis=1)
    loss = objective(params_of(end, label_smoothing=smoothing))
    np.testing.assert_allclose(loss(TARGETS, scores.astype(np.float32)), expected.mean(), rtol=1e-5)
    weights = np.arange(10, dtype=np.float32)
    weighted = loss(TARGETS, scores.astype(np.float32), sample_weight=weights)
    np.testing.assert_allclose(weighted, (expected * weights).mean(), rtol=1e-5)
