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


def test_novelty_is_the_unexplained_share(novelty, threads, tmp_path):
    import keras

    features = keras.Input((8,), name="features")
    head = keras.Model(features, keras.layers.Dense(3)(features), name="head")
    both = add_novelty(head, features, novelty, name="logits")
    seen = np.random.default_rng(8).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_allclose(
        both(seen)[NOVELTY][:, 0], expected_novelty(novelty, seen), rtol=1e-5
    )
    file = convert(both, tmp_path / "head.tflite")
    outputs, names = load_outputs(file)
    assert sorted(names) == ["logits", NOVELTY]
    found = outputs(seen, names)
    np.testing.assert_allclose(found[NOVELTY][:, 0], expected_novelty(novelty, seen), rtol=1e-4)
    np.testing.assert_allclose(found["logits"], head(seen), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(load_litert(file)(seen), found["logits"])
    assert add_novelty(head, features, None, name="logits") is head


def test_limits_of_the_directions():
    seen = np.random.default_rng(7).normal(size=(70, 5000)).astype(np.float32)
    assert fit_novelty(seen).directions.nbytes <= 2**19
    assert fit_novelty(seen[:1]) is None
    # If there is no room for one direction, the features (here infinite) are not used.
    assert fit_novelty(np.full((2, 2**17 + 1), np.inf, np.float32)) is None
    assert fit_novelty(np.ones((9, 4), np.float32)) is None


def test_file_is_reproducible_and_errors_name_it(novelty, tmp_path):
    assert load_novelty(tmp_path) is None
    save_novelty(tmp_path, novelty)
    content = (tmp_path / "novelty.npz").read_bytes()
    save_novelty(tmp_path, novelty)
    assert (tmp_path / "novelty.npz").read_bytes() == content
    for saved, part in zip(load_novelty(tmp_path), novelty, strict=True):
        np.testing.assert_array_equal(saved, part)
    (tmp_path / "novelty.npz").write_bytes(content[:500])
    with pytest.raises(ManifestError, match=r"novelty\.npz is not intact"):
        load_novelty(tmp_path)
