"""Conversion to LiteRT: outputs equal those of Keras, and files are reproducible."""

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.files.writing import write_bytes
from pixmill.core.params import (
    BackboneParams,
    BlockParams,
    CnnParams,
    DenseParams,
    FeaturesParams,
    TrainParams,
)
from pixmill.models.determinism import fix_threads
from pixmill.models.litert import BACKBONE, HEAD, NETWORK, load_litert, load_maps
from pixmill.models.litert_export import (
    TOLERANCE,
    convert,
    convert_backbone,
    export_classifier,
    fold_batch_norm,
)
from pixmill.models.networks import build_classifier

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 24, 24, 3)).astype(np.uint8)
CNN = CnnParams(
    blocks=(BlockParams(filters=4), BlockParams(filters=8)),
    dense=(DenseParams(units=6, dropout=0.5),),
)


def params_of(**changes):
    return TrainParams(model="cnn", cnn=CNN.model_copy(update=changes))


def classifier(**changes):
    fix_threads(2)
    return build_classifier(params_of(**changes), labels=3, image_size=24)


def logits_of(model, pixels):
    import keras

    return np.asarray(
        keras.Model(model.input, model.layers[-1].input)(pixels.astype(np.float32), training=False)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"end": "sigmoid", "rescaling": "symmetric", "channels": 1},
        {
            "head": "average",
            "blocks": (BlockParams(filters=4, batch_norm=True, pool_padding="same", dropout=0.2),),
        },
    ],
)
def test_converted_classifier_returns_the_logits_of_keras(tmp_path, changes, capfd):
    model = classifier(**changes)
    export_classifier(model, params_of(**changes), tmp_path, scratch=tmp_path)
    assert capfd.readouterr() == ("", "")
    (path,) = tmp_path.iterdir()
    assert path.name == NETWORK
    np.testing.assert_allclose(
        load_litert(path)(PIXELS), logits_of(model, PIXELS), rtol=0, atol=TOLERANCE
    )
    content = path.read_bytes()
    export_classifier(model, params_of(**changes), tmp_path, scratch=tmp_path)
    assert path.read_bytes() == content


def test_head_returns_the_same_bytes_for_stored_features(tiny_backbone, tmp_path):
    layers = ("first_relu", "top")
    params = TrainParams(
        model="features",
        backbone=BackboneParams(name="plugin:tiny"),
        features=FeaturesParams(layers=layers),
    )
    fix_threads(2)
    model = build_classifier(params, labels=3, image_size=24, root=tiny_backbone)
    export_classifier(model, params, tmp_path, scratch=tmp_path / "scratch", root=tiny_backbone)
    backbone = load_litert(tmp_path / BACKBONE)
    head = load_litert(tmp_path / HEAD)
    features = load_litert(tmp_path / BACKBONE)(PIXELS)
    np.testing.assert_array_equal(features, backbone(PIXELS))
    assert len(np.unique(features, axis=0)) == len(PIXELS)
    np.testing.assert_array_equal(
        head(features), [head(backbone(PIXELS[row : row + 1]))[0] for row in range(5)]
    )
    np.testing.assert_allclose(head(features), logits_of(model, PIXELS), rtol=0, atol=TOLERANCE)
    # The features are the averages of the feature maps.
    maps = load_maps(tmp_path / BACKBONE)(PIXELS)
    assert {start: values.shape[3] for start, values in maps.items()} == {0: 8, 8: 16}
    for start, values in maps.items():
        averages = features[:, start : start + values.shape[3]]
        np.testing.assert_allclose(values.mean(axis=(1, 2)), averages, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_is_folded_into_convolutions(bias):
    fix_threads(2)
    import keras
    from keras import layers

    pixels = x = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, use_bias=bias, bias_initializer="ones", name="plain")(x)
    x = layers.BatchNormalization(name="plain_norm")(x)
    x = layers.DepthwiseConv2D(
        3, depth_multiplier=2, use_bias=bias, bias_initializer="ones", name="depthwise"
    )(x)
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
    # Not after an activation, nor if the convolution has another consumer.
    assert norms == ["active_norm", "shared_norm"]
    inputs = chance.random((2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(inputs), model(inputs), rtol=1e-5)


@pytest.mark.slow
def test_rejects_conversion_with_different_outputs(tmp_path, monkeypatch):
    other = classifier()
    other.set_weights([weight + 1 for weight in other.get_weights()[:-1]] + [np.float32([9, 0, 0])])
    monkeypatch.setattr("pixmill.models.litert_export.fold_batch_norm", lambda _: other)
    with pytest.raises(
        TrainError,
        match="cannot be converted to LiteRT: ValueError: its outputs differ from Keras'",
    ):
        convert(classifier(), tmp_path / NETWORK)
    assert list(tmp_path.iterdir()) == []


def backbone(scratch, params=BackboneParams(), **options):  # noqa: B008 (it is frozen)
    return convert_backbone(params, image_size=32, scratch=scratch, threads=2, **options)


@pytest.fixture
def conversions(monkeypatch, tmp_path):
    """Replace conversions, and return the names of their files."""
    names = []

    def convert(model, path):
        write_bytes(path, b"network")
        names.append(path.name)
        return path

    monkeypatch.setattr("pixmill.models.litert_export.convert", convert)
    monkeypatch.setattr(
        "pixmill.models.litert_export.build_backbone", lambda *_, **__: keras_layer()
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return names


def keras_layer():
    """Return a network of one layer that replaces a backbone."""
    fix_threads(2)
    import keras

    pixels = keras.Input((32, 32, 3))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))


def test_projects_share_converted_backbones(conversions, tmp_path, capsys):
    weights = [tmp_path / name / "weights.h5" for name in ("one", "other", "changed")]
    for path in weights:
        path.parent.mkdir()
        path.write_bytes(b"changed" if path.parent.name == "changed" else b"same")
    made = [
        backbone(
            path.parent / "scratch",
            BackboneParams(name="mobilenet_v2", weights="weights.h5"),
            root=path.parent,
        )
        for path in weights
    ]
    assert made[0] == made[1] != made[2]
    assert {path.parent for path in made} == {tmp_path / "cache/pixmill/backbones"}
    assert len(conversions) == 2
    assert capsys.readouterr().err.count("converting mobilenet_v2 to LiteRT, once") == 2
    assert not list(tmp_path.glob("*/scratch"))
