"""A classifier is one plain graph from pixels to probabilities."""

from __future__ import annotations

import numpy as np


def test_it_takes_pixels_as_they_are_and_returns_probabilities(build, pixels):
    model = build()
    assert model.input_shape == (None, 12, 12, 3)
    probabilities = np.asarray(model(pixels))
    assert probabilities.shape == (10, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_it_has_as_many_parameters_as_the_layers_say(build):
    convolutions = (9 * 3 + 1) * 4 + (9 * 4 + 1) * 8
    dense = (3 * 3 * 8 + 1) * 6 + (6 + 1) * 3
    assert build().count_params() == convolutions + dense


def test_it_is_not_nested_and_not_compiled(build):
    import keras

    model = build()
    assert not model.compiled
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]


def test_weights_follow_from_the_seed(build):
    first, same, other = (model.get_weights() for model in (build(), build(), build(seed=8)))
    assert all(np.array_equal(one, two) for one, two in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_the_architecture_does_not_depend_on_what_was_built_before(build):
    assert build().to_json() == build().to_json()
