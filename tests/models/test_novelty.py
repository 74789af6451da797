"""Novelty of images: output of the network, fit, and file."""

import numpy as np
import pytest

from pixmill.core.errors import ManifestError
from pixmill.models.litert import NOVELTY, load_litert, load_outputs
from pixmill.models.litert_export import convert
from pixmill.models.novelty import Novelty, add_novelty, fit_novelty, load_novelty, save_novelty

WIDTH = 6


@pytest.fixture
def novelty():
    """Two of six directions, for features 2 to 7 of eight."""
    chance = np.random.default_rng(7)
    directions = np.linalg.qr(chance.normal(size=(WIDTH, 2)))[0]
    return Novelty(
        *(
            part.astype(np.float32)
            for part in (chance.normal(size=6), 1 + chance.random(6), directions)
        )
    )


def expected_novelty(novelty, features):
    standard = (features[:, -WIDTH:] - novelty.mean) * novelty.scale
    rest = standard - standard @ novelty.directions @ novelty.directions.T
    return (rest**2).sum(axis=1) / (standard**2).sum(axis=1)


def draw_features(count):
    """Return features of two layers, of six and two dimensions, on two factors and noise."""
    chance = np.random.default_rng(8)
    factors = chance.normal(size=(count, 2)) @ chance.normal(size=(2, 8))
    return (factors + chance.normal(size=(count, 8))).astype(np.float32)


def fitted_to_two_layers():
    return fit_novelty(draw_features(300), WIDTH)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_computes_the_novelty(novelty, layers, threads, tmp_path):
    import keras

    features = keras.Input((8,), name="features")
    head = keras.Model(features, keras.layers.Dense(3)(features), name="head")
    seen = 3 * np.random.default_rng(8).normal(size=(5, 8)).astype(np.float32)
    expected = expected_novelty(novelty, seen)
    if layers == 2:
        novelty = fitted_to_two_layers()
        expected = novelty.of(seen)
    both = add_novelty(head, features, novelty, name="logits")
    np.testing.assert_allclose(both(seen)[NOVELTY][:, 0], expected, rtol=1e-3, atol=1e-5)
    file = convert(both, tmp_path / "head.tflite")
    outputs, names = load_outputs(file)
    assert sorted(names) == ["logits", NOVELTY]
    found = outputs(seen, names)
    np.testing.assert_allclose(found[NOVELTY][:, 0], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["logits"], head(seen), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(load_litert(file)(seen), found["logits"])
    assert add_novelty(head, features, None, name="logits") is head


def test_with_several_layers_the_share_is_multiplied_by_a_mahalanobis_distance():
    seen = draw_features(300)
    novelty = fit_novelty(seen, WIDTH)
    standard = (seen - seen.mean(axis=0)) / seen.std(axis=0)
    values, vectors = np.linalg.eigh(standard.T @ standard / len(seen))
    squares = (standard @ vectors) ** 2
    count = novelty.whole_directions.shape[1]
    distance = (squares / values)[:, -count:].mean(axis=1)
    distance += squares[:, :-count].sum(axis=1) / values[:-count].sum()
    expected = expected_novelty(novelty, seen) * distance
    np.testing.assert_allclose(novelty.of(seen), expected / (1 + expected), rtol=1e-3, atol=1e-5)
    # The last features are those of training images, those before are not.
    strange = seen + np.array([40, 40, 0, 0, 0, 0, 0, 0], np.float32)
    assert np.median(novelty.of(strange)) > np.median(novelty.of(seen))


def test_limits_of_the_directions():
    seen = np.random.default_rng(7).normal(size=(70, 5000)).astype(np.float32)
    assert fit_novelty(seen, 5000).directions.nbytes <= 2**19
    assert fit_novelty(seen[:1], 5000) is None
    # If there is no room for one direction, the features (here infinite) are not used.
    assert fit_novelty(np.full((2, 2**17 + 1), np.inf, np.float32), 2**17 + 1) is None
    assert fit_novelty(np.ones((9, 4), np.float32), 4) is None


@pytest.mark.parametrize("layers", [1, 2])
def test_file_is_reproducible_and_errors_name_it(novelty, layers, tmp_path):
    # One layer is also how earlier versions wrote every file.
    novelty = novelty if layers == 1 else fitted_to_two_layers()
    assert load_novelty(tmp_path) is None
    save_novelty(tmp_path, novelty)
    content = (tmp_path / "novelty.npz").read_bytes()
    save_novelty(tmp_path, novelty)
    assert (tmp_path / "novelty.npz").read_bytes() == content
    found = load_novelty(tmp_path).arrays()
    assert list(found) == list(novelty.arrays())
    for name, part in novelty.arrays().items():
        np.testing.assert_array_equal(found[name], part)
    arrays = novelty.arrays()
    arrays.popitem()
    np.savez(other := tmp_path / "other.npz", **arrays)
    for malformed in (content[:500], other.read_bytes()):
        (tmp_path / "novelty.npz").write_bytes(malformed)
        with pytest.raises(ManifestError, match=r"novelty\.npz is not intact"):
            load_novelty(tmp_path)
