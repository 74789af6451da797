"""Backbones of plugins: weights, and rejection of networks that could not be loaded again."""

import numpy as np
import pytest

from pixmill.core.errors import PluginError
from pixmill.core.params import BackboneParams
from pixmill.models.backbones import build_backbone
from tests.models.conftest import some_pixels

SIDE = 16
CODE = """
import keras
from keras import layers

def sound(pixels):
    x = layers.Rescaling(1 / 255)(pixels)
    return layers.Conv2D(4, 3, activation="relu")(x)

def vectors(pixels):
    return layers.GlobalMaxPooling2D()(sound(pixels))

def nested(pixels):
    inputs = keras.Input(pixels.shape[1:])
    return keras.Model(inputs, sound(inputs), name="inner")(pixels)

def lambdas(pixels):
    return layers.Lambda(lambda x: x / 255)(pixels)

def model(pixels):
    return keras.Model(pixels, sound(pixels))

def rows(pixels):
    return layers.Reshape((16, 48))(pixels)
"""
NAMES = ("sound", "vectors", "nested", "lambdas", "model", "rows")


@pytest.fixture
def root(tmp_path, threads, plugin_imports):
    (tmp_path / "src/zoo/train").mkdir(parents=True)
    (tmp_path / "src/zoo/train/nets.py").write_text(CODE)
    lines = [f'{name} = "zoo.train.nets:{name}"' for name in NAMES]
    (tmp_path / "pyproject.toml").write_text(
        "\n".join(['[project.entry-points."pixmill.backbones"]', *lines])
    )
    return tmp_path


def features(root, name="sound", seed=7, **changes):
    network = build_backbone(
        BackboneParams(name=f"plugin:{name}", **changes), image_size=SIDE, seed=seed, root=root
    )
    return network.predict_on_batch(some_pixels(2, SIDE).astype(np.float32))


def test_weights_depend_on_seed_or_file(root):
    own = features(root)
    other = features(root, seed=8)
    drawn = features(root, weights="none")
    assert own.shape == (2, 4)
    np.testing.assert_array_equal(own, features(root))
    np.testing.assert_array_equal(drawn, features(root, weights="none"))
    assert (own != other).any()
    assert (own != drawn).any()
    network = build_backbone(
        BackboneParams(name="plugin:sound"), image_size=SIDE, seed=8, root=root
    )
    network.save_weights(root / "ours.weights.h5")
    np.testing.assert_array_equal(features(root, weights="ours.weights.h5"), other)
    assert features(root, "vectors", image_size=32).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nested",
            "layers that Pixmill loads without their code, received the model 'inner' as a layer",
        ),
        ("lambdas", "received keras.layers.Lambda"),
        (
            "model",
            (
                "expected a feature map (n, height, width, channels) or features (n, width), "
                "received <Functional"
            ),
        ),
        ("rows", "received <KerasTensor shape=(None, 16, 48)"),
    ],
)
def test_rejects_networks_that_could_not_be_loaded(root, name, message):
    with pytest.raises(PluginError) as caught:
        features(root, name)
    assert f"the backbone '{name}' (src/zoo/train/nets.py): expected " in caught.value.message
    assert message in caught.value.message
    assert caught.value.next == "edit src/zoo/train/nets.py, then: dvc repro train"
