"""Conversion to LiteRT: the same outputs as Keras', whatever the graph, and the same file."""

from typing import get_args

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, BlockParams, CnnParams, DenseParams, TrainParams
from pixmill.learn.backbones import build_backbone
from pixmill.learn.determinism import fix_threads
from pixmill.learn.layers import feature_layers
from pixmill.learn.litert import BACKBONE, HEAD, NETWORK, load_litert, load_maps
from pixmill.learn.litert_export import TOLERANCE, convert, convert_backbone, export_classifier, fold_batch_norm
from pixmill.learn.networks import build_classifier

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 24, 24, 3)).astype(np.uint8)
WARNING = "warning: the model could not be converted to LiteRT, so inference needs TensorFlow ({})\n"
CNN = CnnParams(blocks=(BlockParams(filters=4), BlockParams(filters=8)), dense=(DenseParams(units=6, dropout=0.5),))


def params_of(**changes):
    return TrainParams(model="cnn", cnn=CNN.model_copy(update=changes))


def classifier(**changes):
    fix_threads(2)
    return build_classifier(params_of(**changes), labels=3, image_size=24)


def logits_of(model, pixels):
    import keras

    return np.asarray(keras.Model(model.input, model.layers[-1].input)(pixels.astype(np.float32), training=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"end": "sigmoid", "rescaling": "symmetric"},
        {"end": "normalized_sigmoid"},
        {"channels": 1},
        {"head": "average", "blocks": (BlockParams(filters=4, batch_norm=True, pool_padding="same", dropout=0.2),)},
    ],
)
def test_a_converted_classifier_gives_the_logits_of_keras(tmp_path, changes, capfd):
    model = classifier(**changes)
    export_classifier(model, params_of(**changes), tmp_path, scratch=tmp_path)
    assert capfd.readouterr() == ("", "")
    (path,) = tmp_path.iterdir()
    assert path.name == NETWORK
    np.testing.assert_allclose(load_litert(path)(PIXELS), logits_of(model, PIXELS), rtol=0, atol=TOLERANCE)
    content = path.read_bytes()
    export_classifier(model, params_of(**changes), tmp_path, scratch=tmp_path)
    assert path.read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("activation", get_args(BlockParams.model_fields["activation"].annotation))
def test_every_activation_and_batch_norm_behind_pooling_give_the_logits_of_keras(tmp_path, activation):
    block = BlockParams(filters=4, activation=activation, batch_norm="after_pooling")
    model = classifier(blocks=(block, block))
    chance = np.random.default_rng(3)
    for index in (0, 1):
        norm = model.get_layer(f"block_{index}_normalization")
        norm.set_weights([chance.uniform(0.5, 2, weight.shape) for weight in norm.get_weights()])
    export_classifier(model, params_of(), tmp_path, scratch=tmp_path)
    logits = logits_of(model, PIXELS)
    assert np.ptp(logits, axis=0).min() > 10 * TOLERANCE
    np.testing.assert_allclose(load_litert(tmp_path / NETWORK)(PIXELS), logits, rtol=0, atol=1e-5)


def test_a_head_gives_the_same_bytes_on_stored_features_and_behind_its_backbone(tmp_path, converted):
    params = TrainParams(model="features", backbone=BackboneParams(image_size=32))
    fix_threads(2)
    model = build_classifier(params, labels=3, image_size=24)
    converted(tmp_path / "scratch", 24, params.backbone)
    export_classifier(model, params, tmp_path, scratch=tmp_path / "scratch")
    backbone, head = load_litert(tmp_path / BACKBONE), load_litert(tmp_path / HEAD)
    features = load_litert(tmp_path / BACKBONE)(PIXELS)
    np.testing.assert_array_equal(features, backbone(PIXELS))
    assert len(np.unique(features, axis=0)) == len(PIXELS)
    np.testing.assert_array_equal(head(features), [head(backbone(PIXELS[row : row + 1]))[0] for row in range(5)])
    np.testing.assert_allclose(head(features), logits_of(model, PIXELS), rtol=0, atol=TOLERANCE)
    # The features are the averages of the feature maps.
    maps = load_maps(tmp_path / BACKBONE)(PIXELS)
    assert {start: values.shape[3] for start, values in maps.items()} == {0: 240, 240: 672}
    for start, values in maps.items():
        averages = features[:, start : start + values.shape[3]]
        np.testing.assert_allclose(values.mean(axis=(1, 2)), averages, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_is_folded_into_the_convolution_before_it(bias):
    fix_threads(2)
    import keras
    from keras import layers

    pixels = x = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, use_bias=bias, bias_initializer="ones", name="plain")(x)
    x = layers.BatchNormalization(name="plain_norm")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=bias, bias_initializer="ones", name="depthwise")(x)
    x = layers.BatchNormalization(scale=False, name="depthwise_norm")(x)
    x = layers.Conv2D(4, 1, activation="relu", name="active")(x)
    x = layers.BatchNormalization(center=False, name="active_norm")(x)
    shared = layers.Conv2D(4, 1, name="shared")(x)
    x = layers.Add()([layers.BatchNormalization(name="shared_norm")(shared), shared])
    model = keras.Model(pixels, x)
    chance = np.random.default_rng(3)
    model.set_weights([chance.uniform(0.5, 2, weight.shape) for weight in model.get_weights()])
    folded = fold_batch_norm(model)
    norms = [layer.name for layer in folded.layers if isinstance(layer, layers.BatchNormalization)]
    # Not behind an activation, nor where the convolution has another consumer.
    assert norms == ["active_norm", "shared_norm"]
    inputs = chance.random((2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(inputs), model(inputs), rtol=1e-5)


def test_a_graph_that_cannot_be_converted_is_a_warning(tmp_path, monkeypatch, capfd):
    model = classifier()

    def fail(_):
        raise RuntimeError("this graph has no conversion")

    monkeypatch.setattr("pixmill.learn.litert_export.fold_batch_norm", fail)
    assert convert(model, tmp_path / NETWORK) is None
    assert capfd.readouterr().err == WARNING.format("RuntimeError: this graph has no conversion")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_network_with_other_outputs_is_not_kept(tmp_path, monkeypatch, capfd):
    other = classifier()
    other.set_weights([weight + 1 for weight in other.get_weights()[:-1]] + [np.float32([9, 0, 0])])
    monkeypatch.setattr("pixmill.learn.litert_export.fold_batch_norm", lambda _: other)
    assert convert(classifier(), tmp_path / NETWORK) is None
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == WARNING.format("ValueError: its outputs differ from Keras'")


def test_a_second_conversion_in_the_same_process_gives_the_same_file(tmp_path):
    fix_threads(2)
    files = [
        convert_backbone(BackboneParams(), image_size=32, scratch=tmp_path / name, threads=2) for name in ("a", "b")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_batch_norm_of_a_network_of_keras_is_folded_too():
    fix_threads(2)
    import keras

    model = build_backbone(BackboneParams(name="mobilenet_v2", weights="none"), image_size=32, seed=7)
    folded = fold_batch_norm(model)
    assert not [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    pixels = PIXELS[:, :1, :1].repeat(32, 1).repeat(32, 2).astype(np.float32)
    np.testing.assert_allclose(folded(pixels), model(pixels, training=False), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_backbone_is_converted_where_the_scratch_folder_cannot_be_used(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file where the folder would be")
    file = convert_backbone(BackboneParams(), image_size=32, scratch=tmp_path / "taken", threads=2)
    assert (
        file.read_bytes()
        == convert_backbone(BackboneParams(), image_size=32, scratch=tmp_path / "free", threads=2).read_bytes()
    )
    assert "the converted backbone cannot be kept in " in capsys.readouterr().err


def test_a_damaged_backbone_is_converted_again(tmp_path, converted, capsys):
    file = converted(tmp_path, 32)
    content = file.read_bytes()
    file.write_bytes(content[:1000])
    layers = feature_layers(TrainParams(model="features"))
    assert convert_backbone(BackboneParams(), image_size=32, scratch=tmp_path, threads=2, layers=layers) == file
    assert file.read_bytes() == content
    assert "cannot be read" in capsys.readouterr().err
