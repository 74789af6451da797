"""Heads on a backbone: logistic regression, small network and fine-tuning."""

from functools import partial

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, DenseParams, FeaturesParams, TrainParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.models.features import extract_features
from pixmill.models.layers import feature_layers
from pixmill.train.fitting import FitData
from pixmill.train.heads import FineTuner, HeadFitter
from pixmill.train.logistic import fit_logistic
from tests.train.conftest import SIZE, EpochCallback, sklearn_probabilities

PARAMS = TrainParams(
    model="features",
    backbone=BackboneParams(name="plugin:tiny"),
    features=FeaturesParams(
        layers=("first_relu", "top"),
        inverse_regularization=0.01,
        dense=(DenseParams(units=8, dropout=0.2),),
    ),
    epochs=4,
)
MLP = PARAMS.model_copy(update={"features": PARAMS.features.model_copy(update={"head": "mlp"})})


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A feature cache that all tests share."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def fitter_of(tiny_backbone, scratch):
    def fitter(kind, params):
        fix_threads(params.threads)
        return kind(params, ONE_LABEL, 3, SIZE, tiny_backbone, scratch)

    return fitter


@pytest.fixture
def features_of(tiny_backbone, scratch):
    return partial(extracted, tiny_backbone, scratch)


def extracted(root, scratch, part, params=PARAMS):
    return extract_features(
        part.pixels,
        part.rows["id"].tolist(),
        params.backbone,
        scratch=scratch,
        threads=params.threads,
        seed=params.seed,
        layers=feature_layers(params),
        root=root,
    )


def probabilities(model, part):
    return np.asarray(model(np.asarray(part.pixels, np.float32), training=False))


def test_probabilities_equal_those_of_scikit_learn(parts, fitter_of, features_of) -> None:
    training = parts["train"]
    reported = []
    data = FitData(
        training, parts["val"], callback=EpochCallback(lambda epoch, _: reported.append(epoch))
    )
    model, finished, *_ = fitter_of(HeadFitter, PARAMS).fit(data)
    history = finished.history
    found = probabilities(model, parts["val"])
    expected = sklearn_probabilities(
        features_of(training),
        training.targets,
        features_of(parts["val"]),
    )
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert reported == history
    assert [epoch.epoch for epoch in history] == list(range(1, len(history) + 1))
    assert len(history) > 3
    epoch = history[-1]
    assert epoch.learning_rate is None
    assert epoch.val_accuracy == np.mean(found.argmax(axis=1) == parts["val"].targets) > 0.8
    loss = -np.log(found[np.arange(len(found)), parts["val"].targets]).mean()
    assert epoch.val_loss == pytest.approx(loss, rel=1e-3)


def test_small_network_is_fitted_in_epochs(parts, fitter_of) -> None:
    fitter = fitter_of(HeadFitter, MLP)
    data = FitData(parts["train"], parts["val"])
    whole, finished, *_ = fitter.fit(data)
    history = finished.history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4]
    found = probabilities(whole, parts["val"])
    best = min(history, key=lambda epoch: epoch.val_loss)
    assert np.mean(found.argmax(axis=1) == parts["val"].targets) == pytest.approx(
        best.val_accuracy, abs=0.03
    )
    loss = -np.log(found[np.arange(len(found)), parts["val"].targets]).mean()
    assert loss == pytest.approx(best.val_loss, rel=1e-3)


def test_fine_tuning_starts_from_the_logistic_regression(parts, fitter_of, features_of) -> None:
    params = TrainParams(
        model="backbone",
        backbone=PARAMS.backbone.model_copy(update={"unfreeze": 1, "dropout": 0.0}),
        learning_rate=1e-12,
        epochs=1,
    )
    model, *_ = fitter_of(FineTuner, params).fit(FitData(parts["train"], parts["val"]))
    features = features_of(parts["train"], params)
    start = fit_logistic(features, parts["train"].targets, params, labels=3)
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(kernel, start.kernel, atol=1e-7)
    np.testing.assert_allclose(bias, start.bias, atol=1e-7)
    assert np.abs(kernel).max() > 1e-3
