"""The network that was converted for LiteRT answers as Keras does, whatever the graph."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.core.params import BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.learn import build_classifier, export_litert, fix_threads
from pixmill.learn.litert import LITERT, TOLERANCE, load_litert

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 24, 24, 3)).astype(np.uint8)
WARNING = "warning: the model could not be converted to LiteRT, so inference needs TensorFlow ({})\n"


def classifier(**changes):
    fix_threads(2)
    cnn = CnnParams(blocks=(BlockParams(filters=4), BlockParams(filters=8)), dense=(DenseParams(units=6, dropout=0.5),))
    params = TrainParams(model="cnn", cnn=cnn.model_copy(update=changes))
    return build_classifier(params, labels=3, image_size=24)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"end": "sigmoid", "rescaling": "symmetric"},
        {"end": "logits", "channels": 1},
        {"head": "average", "blocks": (BlockParams(filters=4, batch_norm=True, pool_padding="same", dropout=0.2),)},
    ],
)
def test_a_converted_network_answers_as_keras_does(tmp_path, changes, capfd):
    model = classifier(**changes)
    path = export_litert(model, tmp_path)
    network = load_litert(path)
    assert capfd.readouterr() == ("", "")
    np.testing.assert_allclose(network(PIXELS), np.asarray(model(PIXELS.astype(np.float32))), rtol=0, atol=TOLERANCE)
    assert [path.name for path in tmp_path.iterdir()] == [LITERT]
    content = path.read_bytes()
    path.unlink()
    assert export_litert(model, tmp_path).read_bytes() == content


def test_answers_depend_neither_on_threads_nor_on_other_images(trained_folder, monkeypatch):
    first = load_litert(trained_folder / LITERT)(PIXELS)
    monkeypatch.setattr("pixmill.learn.litert._THREADS", 1)
    np.testing.assert_array_equal(load_litert(trained_folder / LITERT)(PIXELS), first)
    one_by_one = [load_litert(trained_folder / LITERT)(PIXELS[place : place + 1])[0] for place in range(5)]
    np.testing.assert_array_equal(one_by_one, first)


def test_a_graph_that_cannot_be_converted_is_a_warning(tmp_path, monkeypatch, capfd):
    model = classifier()

    def export(*_, **__):
        raise RuntimeError("this graph is beyond me")

    monkeypatch.setattr(model, "export", export)
    assert export_litert(model, tmp_path) is None
    assert capfd.readouterr().err == WARNING.format("RuntimeError: this graph is beyond me")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_network_that_answers_otherwise_is_not_taken(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("pixmill.learn.litert.TOLERANCE", -1.0)
    assert export_litert(classifier(), tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == WARNING.format("its predictions differ from Keras'")
