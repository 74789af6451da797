"""What is computed with is what params say, or the faster of two that were measured; the classifier stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import build_classifier, fix_threads
from pixmill.models.precision import computing_with
from pixmill.train import precision
from pixmill.train.precision import Choice, choose_precision
from tests.train.conftest import PARAMS, SIZE


@pytest.fixture
def classifier():
    fix_threads(2)
    return build_classifier(PARAMS, labels=3, image_size=SIZE)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_what_params_say_is_not_measured(classifier, parts, name):
    params = PARAMS.model_copy(update={"precision": name})
    assert choose_precision(classifier, params, parts["train"], labels=3) == Choice(name, {})


def test_auto_measures_both_and_leaves_no_trace(classifier, parts, monkeypatch):
    # Any processor computes so small a network with either.
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_SECONDS", 0.0)
    before, architecture = classifier.get_weights(), classifier.to_json()
    choice = choose_precision(classifier, PARAMS.model_copy(update={"precision": "auto"}), parts["train"], labels=3)
    assert sorted(choice.rates) == ["bfloat16", "float32"]
    assert choice.precision == ("bfloat16" if choice.rates["bfloat16"] >= 1.1 * choice.rates["float32"] else "float32")
    assert all(np.array_equal(a, b) for a, b in zip(before, classifier.get_weights(), strict=True))
    assert classifier.to_json() == architecture
    assert "pictures/s" in choice.summary()


def test_where_bfloat16_would_be_emulated_nothing_is_measured(classifier, parts, monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda: False)
    params = PARAMS.model_copy(update={"precision": "auto"})
    assert choose_precision(classifier, params, parts["train"], labels=3) == Choice("float32", {})


def test_the_inner_layers_alone_compute_with_bfloat16(classifier, parts):
    def kinds():
        return {layer.name: layer.compute_dtype for layer in classifier.layers}

    before = kinds()
    with computing_with(classifier, "bfloat16"):
        inside = kinds()
        probabilities = classifier(np.asarray(parts["val"].pixels, np.float32))
    names = [layer.name for layer in classifier.layers if layer.weights]
    assert inside[names[0]] == inside[names[1]] == "bfloat16"
    assert inside[names[-1]] == inside["pixels"] == inside["rescaling"] == "float32"
    assert probabilities.dtype == np.float32
    assert kinds() == before
    with pytest.raises(ZeroDivisionError), computing_with(classifier, "bfloat16"):
        1 / 0  # noqa: B018
    assert kinds() == before
