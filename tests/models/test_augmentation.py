"""Pictures change while training and only then; what is trained is the classifier's own weights."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import reseed, training_graph
from pixmill.params import AugmentationParams

OFF = AugmentationParams(flip=False, rotation=0.0, zoom=0.0, shift=0.0)


def test_the_training_graph_trains_the_weights_of_the_classifier(build, pixels):
    classifier = build()
    before = classifier.get_weights()
    graph = training_graph(classifier, AugmentationParams())
    graph.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    graph.train_on_batch(pixels, np.zeros(10))
    assert not np.array_equal(before[-1], classifier.get_weights()[-1])
    assert not classifier.compiled


def test_outside_training_nothing_changes(build, pixels):
    classifier = build()
    graph = training_graph(classifier, AugmentationParams(rotation=90.0))
    np.testing.assert_array_equal(graph(pixels, training=False), classifier(pixels))


@pytest.mark.parametrize("change", [{"flip": True}, {"rotation": 90.0}, {"zoom": 0.5}, {"shift": 0.5}])
def test_each_change_changes_pictures(build, pixels, change):
    graph = training_graph(build(), OFF.model_copy(update=change))
    assert len(graph.layers) == 3
    changed = np.asarray(graph.layers[1](pixels, training=True))
    assert changed.shape == pixels.shape
    assert not np.array_equal(changed, pixels)


def test_what_is_off_adds_no_layer(build):
    assert len(training_graph(build(), OFF).layers) == 2


def test_chance_follows_from_seed_and_epoch(build, pixels):
    graph = training_graph(build(), AugmentationParams())

    def drawn(seed, epoch):
        reseed(graph, seed=seed, epoch=epoch)
        return np.asarray(graph(pixels, training=True))

    first = drawn(7, 1)
    assert not np.array_equal(np.asarray(graph(pixels, training=True)), first)
    np.testing.assert_array_equal(drawn(7, 1), first)
    assert not np.array_equal(drawn(7, 2), first)
    assert not np.array_equal(drawn(8, 1), first)


def test_no_two_random_layers_share_a_state(build):
    graph = training_graph(build(), AugmentationParams())
    reseed(graph, seed=7, epoch=1)
    states = [tuple(np.asarray(v)) for v in graph.variables if v.path.endswith("seed_generator_state")]
    assert len(states) == len(set(states)) == 5
