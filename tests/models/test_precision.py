"""Inner layers compute with bfloat16 where they are let to, and a machine is known by what it computes with."""

import numpy as np
import pytest

from pixmill.models.precision import computing_with, machine


def test_the_machine_is_another_one_under_other_settings(monkeypatch):
    before = machine()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert machine() == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine() != before


def test_the_inner_layers_alone_compute_with_bfloat16(build, pixels):
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
