"""Random states, threads, precision of inner layers, and the fingerprint of the machine."""

import numpy as np
import pytest

from pixmill.core.params import BlockParams, CnnParams
from pixmill.models.determinism import computing_with, machine, reseed


@pytest.fixture
def dropping(build):
    """Return a classifier with three random layers."""
    return build(
        cnn=CnnParams(
            blocks=(BlockParams(filters=4, dropout=0.5), BlockParams(filters=4, dropout=0.5))
        )
    )


def states(model):
    return [
        tuple(np.asarray(each))
        for each in model.variables
        if each.path.endswith("seed_generator_state")
    ]


def test_reseed_depends_only_on_seed_and_epoch(dropping, pixels):
    def drawn(seed, epoch):
        reseed(dropping, seed=seed, epoch=epoch)
        return np.asarray(dropping(pixels, training=True))

    first = drawn(7, 1)
    assert not np.array_equal(np.asarray(dropping(pixels, training=True)), first)
    assert not np.array_equal(drawn(7, 2), first)
    assert not np.array_equal(drawn(8, 1), first)
    np.testing.assert_array_equal(drawn(7, 1), first)


def test_machine_depends_on_numerical_settings(monkeypatch):
    before = machine()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert machine() == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine() != before


def test_only_inner_layers_compute_with_bfloat16(build, pixels):
    classifier = build()

    def kinds():
        return {layer.name: layer.compute_dtype for layer in classifier.layers}

    before = kinds()
    with computing_with(classifier, "bfloat16"):
        inside = kinds()
        probabilities = classifier(pixels)
    names = [layer.name for layer in classifier.layers if layer.weights]
    assert inside[names[0]] == inside[names[1]] == "bfloat16"
    assert inside[names[-1]] == inside["pixels"] == inside["rescaling"] == "float32"
    assert probabilities.dtype == np.float32
    assert kinds() == before
    with pytest.raises(ZeroDivisionError), computing_with(classifier, "bfloat16"):
        1 / 0  # noqa: B018
    assert kinds() == before
