"""Precision of inner layers, and the fingerprint of the machine."""

import numpy as np
import pytest

from pixmill.models.precision import computing_with, machine


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
