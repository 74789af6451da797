"""The network as one file answers as Keras does, whatever the graph."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import build_classifier, fix_threads
from pixmill.params import BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.tracking.network import TOLERANCE, export_network

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 24, 24, 3)).astype(np.float32)
WARNING = "warning: the classifier in MLflow needs TensorFlow: it could not be converted for LiteRT ({})\n"


def classifier(**changes):
    fix_threads(2)
    cnn = CnnParams(blocks=(BlockParams(filters=4), BlockParams(filters=8)), dense=(DenseParams(units=6, dropout=0.5),))
    params = TrainParams(model="cnn", cnn=cnn.model_copy(update=changes))
    return build_classifier(params, labels=3, image_size=24)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"end": "sigmoid", "rescaling": "symmetric"},
        {"end": "logits", "channels": 1},
        {"head": "average", "blocks": (BlockParams(filters=4, batch_norm=True, pool_padding="same", dropout=0.2),)},
    ],
)
def test_it_answers_as_keras_does(tmp_path, changes, capfd):
    from ai_edge_litert.interpreter import Interpreter

    model = classifier(**changes)
    path = export_network(model, tmp_path)
    assert path.name == "network.tflite"
    assert capfd.readouterr() == ("", "")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    for pixels, expected in zip(PIXELS, np.asarray(model(PIXELS)), strict=True):
        interpreter.set_tensor(given, pixels[None])
        interpreter.invoke()
        np.testing.assert_allclose(interpreter.get_tensor(answer)[0], expected, rtol=0, atol=TOLERANCE)
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_converted_is_kept_as_keras_has_it(tmp_path, monkeypatch, capfd):
    import keras

    model = classifier()

    def export(*_, **__):
        raise RuntimeError("this graph is beyond me")

    monkeypatch.setattr(model, "export", export)
    path = export_network(model, tmp_path)
    assert path.name == "network.keras"
    reason = "RuntimeError: this graph is beyond me"
    assert capfd.readouterr().err == WARNING.format(reason)
    np.testing.assert_array_equal(keras.saving.load_model(path)(PIXELS), model(PIXELS))


def test_what_answers_otherwise_is_not_taken(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("pixmill.tracking.network._agrees", lambda *_: False)
    assert export_network(classifier(), tmp_path).name == "network.keras"
    assert [path.name for path in tmp_path.iterdir()] == ["network.keras"]
    assert capfd.readouterr().err == WARNING.format("it answers otherwise than Keras does")
