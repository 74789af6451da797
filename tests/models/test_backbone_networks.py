"""Classifiers with a backbone: one graph, of which only the params' layers are fitted."""

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, DenseParams, FeaturesParams, TrainParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads, reseed
from pixmill.models.model_folder import load_classifier, save_classifier
from pixmill.models.networks import (
    backbone_variables,
    build_classifier,
    build_head,
    logits_graph,
    objective,
    set_head_weights,
)

SIZE = 32
LABELS = 3
FEATURES = TrainParams(
    model="features", features=FeaturesParams(dense=(DenseParams(units=5, dropout=0.5),))
)


def backbone_params(name="plugin:tiny", **changes):
    return TrainParams(
        model="backbone", backbone=BackboneParams(name=name, weights="none", **changes)
    )


def features_params(**changes):
    fresh = FEATURES.backbone.model_copy(
        update={"name": "plugin:tiny", "weights": "none", "unfreeze": "all"}
    )
    return FEATURES.model_copy(
        update={"backbone": fresh, "features": FEATURES.features.model_copy(update=changes)}
    )


@pytest.fixture
def build(tiny_backbone):
    fix_threads(2)
    return lambda params: build_classifier(
        params, labels=LABELS, image_size=SIZE, root=tiny_backbone
    )


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.float32)


def features_of(classifier, pixels, **mode):
    import keras

    end = next(
        layer.input for layer in classifier.layers if layer.name.startswith(("head_", "logits"))
    )
    return np.asarray(keras.Model(classifier.input, end)(pixels, **mode))


def fitted_once(classifier, params, pixels):
    import keras

    graph = logits_graph(classifier)
    graph.compile(keras.optimizers.SGD(1e-3), objective(params), jit_compile=False)
    reseed(graph, seed=7, epoch=1)
    graph.train_on_batch(pixels, np.eye(LABELS, dtype=np.float32)[np.arange(len(pixels)) % LABELS])


def test_frozen_backbone_keeps_weights_and_statistics(build, pixels):
    params = backbone_params()
    classifier = build(params)
    before = classifier.get_weights()
    fitted_once(classifier, params, pixels)
    changed = [
        not np.array_equal(old, new)
        for old, new in zip(before, classifier.get_weights(), strict=True)
    ]
    assert sum(changed) == len(classifier.trainable_variables) == 2
    assert backbone_variables(classifier) == []


def test_whole_backbone_is_fitted_except_batch_norm(build, pixels):
    import keras

    params = backbone_params(unfreeze="all")
    classifier = build(params)
    before = {layer.name: layer.get_weights() for layer in classifier.layers}
    fitted_once(classifier, params, pixels)
    for layer in classifier.layers:
        pairs = zip(before[layer.name], layer.get_weights(), strict=True)
        if isinstance(layer, keras.layers.BatchNormalization):
            assert all(np.array_equal(old, new) for old, new in pairs), layer.name
        elif layer.weights:
            assert not all(np.array_equal(old, new) for old, new in pairs), layer.name


def test_unfreeze_fits_only_the_last_layers(build):
    classifier = build(backbone_params(unfreeze=1))
    fitted = [layer.name for layer in classifier.layers if layer.trainable_variables]
    assert fitted == ["second", "logits"]
    assert [variable.path for variable in backbone_variables(classifier)] == ["second/kernel"]


def test_set_head_weights(build, pixels):
    params = features_params(head="mlp")
    classifier = build(params)
    features = features_of(classifier, pixels)
    head = build_head(
        params.model_copy(update={"seed": 8}),
        head=ONE_LABEL,
        labels=LABELS,
        features=features.shape[1],
    )
    assert head.count_params() == (features.shape[1] + 1) * 5 + 6 * LABELS
    expected = np.asarray(head(features))
    assert np.abs(np.asarray(classifier(pixels)) - expected).max() > 1e-3
    set_head_weights(classifier, head.get_weights())
    np.testing.assert_allclose(classifier(pixels), expected, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["plugin:tiny", pytest.param("convnext_tiny", marks=pytest.mark.slow)]
)
def test_backbone_is_saved_and_loaded(build, pixels, tmp_path, name):
    once = tmp_path / "once"
    again = tmp_path / "again"
    prepared = {"image_size": SIZE, "aspect": "pad", "resize": "bicubic"}
    classifier = build(backbone_params(name, image_size=40, unfreeze=2))
    save_classifier(classifier, ["a", "b", "c"], once, **prepared)
    loaded, labels = load_classifier(once)
    save_classifier(loaded, labels, again, **prepared)
    np.testing.assert_array_equal(loaded(pixels), classifier(pixels))
    assert len(backbone_variables(loaded)) == len(backbone_variables(classifier)) >= 2
    for file in once.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()
