"""Conversion to LiteRT: the same outputs as Keras', whatever the graph, and the same file."""

import os
import time
from typing import get_args

import numpy as np
import pytest

from pixmill.core.files import write_bytes
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


def test_a_head_gives_the_same_bytes_on_stored_features_and_behind_its_backbone(tmp_path):
    params = TrainParams(model="features", backbone=BackboneParams(image_size=32))
    fix_threads(2)
    model = build_classifier(params, labels=3, image_size=24)
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


def backbone(scratch, params=BackboneParams(), **options):  # noqa: B008 (it is frozen)
    return convert_backbone(params, image_size=32, scratch=scratch, threads=2, **options)


def test_a_second_conversion_in_the_same_process_gives_the_same_file(tmp_path, monkeypatch):
    fix_threads(2)
    files = []
    for name in ("a", "b"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        files.append(backbone(tmp_path / "scratch"))
    assert files[0] != files[1]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_batch_norm_of_a_network_of_keras_is_folded_too():
    fix_threads(2)
    import keras

    model = build_backbone(BackboneParams(name="mobilenet_v2", weights="none"), image_size=32, seed=7)
    folded = fold_batch_norm(model)
    assert not [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    pixels = PIXELS[:, :1, :1].repeat(32, 1).repeat(32, 2).astype(np.float32)
    np.testing.assert_allclose(folded(pixels), model(pixels, training=False), rtol=1e-3, atol=1e-4)


@pytest.fixture
def soon_converted(monkeypatch, tmp_path):
    """Let a conversion take no time, and its file be taken for intact; count them."""
    names = []

    def convert(model, path):
        write_bytes(path, b"network")
        names.append(path.name)
        return path

    monkeypatch.setattr("pixmill.learn.litert_export.convert", convert)
    monkeypatch.setattr("pixmill.learn.litert_export._is_intact", lambda _: True)
    monkeypatch.setattr("pixmill.learn.litert_export.build_backbone", lambda *_, **__: keras_layer())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return names


def keras_layer():
    """Return a network of one layer, whose output is taken for features."""
    fix_threads(2)
    import keras

    pixels = keras.Input((32, 32, 3))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))


def test_a_backbone_is_converted_once_for_all_projects_of_a_user_by_its_content(soon_converted, tmp_path, capsys):
    weights = [tmp_path / name / "weights.h5" for name in ("one", "other", "changed")]
    for path in weights:
        path.parent.mkdir()
        path.write_bytes(b"changed" if path.parent.name == "changed" else b"same")
    made = [
        backbone(path.parent / "scratch", BackboneParams(name="mobilenet_v2", weights="weights.h5"), root=path.parent)
        for path in weights
    ]
    assert made[0] == made[1] != made[2]
    assert {path.parent for path in made} == {tmp_path / "cache/pixmill/backbones"}
    assert len(soon_converted) == 2
    assert capsys.readouterr().err.count("converting mobilenet_v2 to LiteRT, once") == 2
    assert not list(tmp_path.glob("*/scratch"))


@pytest.mark.parametrize("home", ["taken", None])
def test_without_a_users_cache_the_project_keeps_it_and_else_this_process(
    soon_converted, tmp_path, monkeypatch, capsys, home
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file where the folder would be")
    monkeypatch.delenv("XDG_CACHE_HOME")
    if home:
        monkeypatch.setenv("HOME", str(tmp_path / home))
    else:
        # As in a container whose user has no name: what stands for it is a folder ~ in the current one.
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert backbone(tmp_path / "scratch").parent == tmp_path / "scratch"
    assert backbone(tmp_path / "scratch").parent == tmp_path / "scratch"
    assert len(soon_converted) == 1
    assert backbone(tmp_path / "taken" / "scratch").read_bytes() == b"network"
    told = capsys.readouterr().err
    assert f"the converted backbone cannot be kept in {tmp_path / 'taken' / 'scratch'}: " in told
    assert (f"cannot be kept in {tmp_path / 'taken'}/.cache" in told) == (home is not None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch", "taken"]


def test_a_plugins_backbone_stays_with_its_project(soon_converted, tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.learn.litert_export.backbone_digest", lambda *_, **__: "digest")
    assert backbone(tmp_path / "scratch", BackboneParams(name="plugin:ours")).parent == tmp_path / "scratch"


def test_the_oldest_backbones_go_when_they_are_too_many_and_unused(soon_converted, tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.learn.litert_export._MOST_BYTES", 10)
    folder = tmp_path / "cache/pixmill/backbones"
    for name, age in (("old", 2 * 24 * 3600), ("used", 60)):
        write_bytes(folder / f"{name}.tflite", b"network")
        os.utime(folder / f"{name}.tflite", (time.time() - age,) * 2)
    file = backbone(tmp_path / "scratch")
    assert {path.name for path in folder.iterdir()} == {"used.tflite", file.name}


def test_a_damaged_backbone_is_converted_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    layers = feature_layers(TrainParams(model="features"))
    file = backbone(tmp_path / "scratch", layers=layers)
    content = file.read_bytes()
    file.write_bytes(content[:1000])
    assert backbone(tmp_path / "scratch", layers=layers) == file
    assert file.read_bytes() == content
    assert "cannot be read" in capsys.readouterr().err
