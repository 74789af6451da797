import numpy as np
import pytest

from pixmill.evaluate.gradcam import attention, attention_of_features
from pixmill.models.determinism import fix_threads

SIDE = 16


def corner_model(end):
    """Return a model for which red supports class 0 and green class 1."""
    fix_threads(2)
    import keras
    from keras import layers

    pixels = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(2, 1, activation="relu", name="maps")(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(2, name="end")(x)
    x = layers.Activation("log_sigmoid")(x) if end == "sigmoid" else x
    model = keras.Model(pixels, layers.Activation("softmax")(x))
    model.get_layer("maps").set_weights(
        [np.array([[[[1, 0], [0, 1], [0, 0]]]], np.float32), np.zeros(2, np.float32)]
    )
    kernel = np.zeros((SIDE // 2, SIDE // 2, 2, 2), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 1, 1] = 1
    model.get_layer("end").set_weights([kernel.reshape(-1, 2), np.zeros(2, np.float32)])
    return model


@pytest.fixture(scope="module")
def pixels():
    """Return two images with red at the upper left, green at the lower right, and a black one."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[2:6, 2:6, 0] = image[10:14, 10:14, 1] = 255
    return np.stack([image, image, np.zeros_like(image)])


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_evidence_is_at_the_position_of_the_class(pixels, end):
    red, green, nothing = attention(corner_model(end), pixels, [0, 1, 0])
    assert red[3:5, 3:5].min() > 0.9
    assert red[9:].max() == 0
    assert green[11:13, 11:13].min() > 0.9
    assert green[:9].max() == 0
    assert nothing.max() == 0


def averaging_model():
    """Return a classifier on averages of a layer, and its maps and head as functions."""
    fix_threads(2)
    import keras
    from keras import layers

    chance = np.random.default_rng(7)
    inputs = keras.Input((SIDE, SIDE, 3))
    near = layers.Conv2D(5, 3, padding="same", activation="relu")(inputs)
    far = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(near)
    features = layers.GlobalAveragePooling2D()(far)
    end = layers.Dense(2, name="logits")
    model = keras.Model(inputs, layers.Activation("softmax")(end(features)), name="backbone")
    model.set_weights([chance.normal(size=weight.shape) for weight in model.get_weights()])
    seen = keras.Model(inputs, [far, features])
    kernel, bias = end.get_weights()

    def maps_of(pixels):
        maps, averages = map(np.asarray, seen(pixels.astype(np.float32)))
        return {0: maps}, averages

    return model, maps_of, lambda features: features @ kernel + bias


def test_linear_head_matches_gradients(pixels):
    model, maps_of, head = averaging_model()
    found = attention_of_features(*maps_of(pixels), head, [0, 1, 0], image_size=SIDE)
    assert found.max() == 1
    np.testing.assert_allclose(found, attention(model, pixels, [0, 1, 0]), rtol=0, atol=2e-3)


def test_adds_evidence_of_all_layers():
    near = np.zeros((1, 8, 8, 1), np.float32)
    far = np.zeros((1, 2, 2, 1), np.float32)
    near[0, :2, :2] = far[0, 1, 1] = 1
    maps = {0: near, 1: far}
    features = np.array([[1 / 16, 1 / 4]], np.float32)

    def heat(*kernel):
        return attention_of_features(
            maps, features, lambda x: x @ np.array([kernel]).T, [0], image_size=8
        )[0]

    assert heat(1, 1)[0, 0] == heat(1, 1)[7, 7] == 1
    assert heat(2, 1)[0, 0] == 1
    assert heat(2, 1)[7, 7] == pytest.approx(0.5)
    assert heat(2, 1)[0, 7] == 0
    # Negative evidence is subtracted, but not shown.
    assert heat(1, -1)[0, 0] == 1
    assert heat(1, -1)[7, 7] == 0


def test_model_without_spatial_layers_has_no_heatmap():
    fix_threads(2)
    import keras
    from keras import layers

    pixels = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(pixels, layers.Dense(2, activation="softmax")(layers.Flatten()(pixels)))
    assert attention(model, np.zeros((1, SIDE, SIDE, 3), np.uint8), [0]) is None
