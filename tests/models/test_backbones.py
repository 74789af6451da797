"""Backbones: compared with Keras' own networks and preprocessing; errors; digests."""

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.models.backbones import backbone_digest, build_backbone
from tests.models.conftest import some_pixels

SIDE = 64
LITES = ("efficientnet_lite2", "efficientnet_lite0")


@pytest.mark.slow
def test_features_equal_those_of_keras(threads, tmp_path) -> None:
    """ResNet50 has reversed channels and a different offset for each channel."""
    import keras

    model = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), pooling="avg"
    )
    (tmp_path / "own").mkdir()
    model.save_weights(tmp_path / "own/resnet50.weights.h5")
    params = BackboneParams(name="resnet50", weights="own/resnet50.weights.h5")
    backbone = build_backbone(params, image_size=SIDE, seed=7, root=tmp_path)
    pixels = some_pixels(2, SIDE).astype(np.float32)
    expected = model.predict_on_batch(keras.applications.resnet50.preprocess_input(pixels.copy()))
    assert expected.std() > 0
    np.testing.assert_allclose(
        backbone.predict_on_batch(pixels) / expected.std(),
        expected / expected.std(),
        rtol=0,
        atol=1e-4,
    )
    assert not any(isinstance(layer, keras.Model) for layer in backbone.layers)


def test_rejects_weights_of_another_network(threads, tmp_path) -> None:
    import keras

    name = "efficientnet_lite0"

    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    dense.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.h5").write_text("no weights")
    for file in ("other.weights.h5", "text.h5"):
        with pytest.raises(TrainError, match=f"{file} does not match {name}"):
            build_backbone(
                BackboneParams(name=name, weights=file), image_size=SIDE, seed=7, root=tmp_path
            )
    with pytest.raises(TrainError, match=r"absent\.h5 is missing") as caught:
        build_backbone(
            BackboneParams(name=name, weights="absent.h5"), image_size=SIDE, seed=7, root=tmp_path
        )
    assert "dvc repro train" in str(caught.value)


def test_failed_download_names_alternatives(threads, tmp_path, monkeypatch) -> None:
    from keras.src import backend

    # No cached download, and no network.
    monkeypatch.setattr(backend.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        TrainError, match="the weights of mobilenet_v2 cannot be downloaded"
    ) as caught:
        build_backbone(BackboneParams(name="mobilenet_v2"), image_size=SIDE, seed=7)
    assert "set train.backbone.weights to a local file" in str(caught.value)
    assert "efficientnet_lite0, which is bundled" in str(caught.value)


def test_rejects_images_that_are_too_small(threads) -> None:
    params = BackboneParams(name="mobilenet_v3_small", weights="none")
    with pytest.raises(
        TrainError, match="16 x 16 pixels are too small for mobilenet_v3_small"
    ) as caught:
        build_backbone(params, image_size=16, seed=7)
    assert "train.backbone.image_size" in str(caught.value)


def test_digest_depends_on_network_weights_and_size(tmp_path) -> None:
    (tmp_path / "a.h5").write_bytes(b"a")
    (tmp_path / "b.h5").write_bytes(b"b")
    params = BackboneParams()
    fresh = BackboneParams(weights="none")
    digests = [
        backbone_digest(params, seed=7),
        backbone_digest(params.model_copy(update={"image_size": 112}), seed=7),
        backbone_digest(params.model_copy(update={"name": "mobilenet_v2"}), seed=7),
        backbone_digest(BackboneParams(name=LITES), seed=7),
        backbone_digest(BackboneParams(name=LITES[::-1]), seed=7),
        backbone_digest(BackboneParams(name=LITES, image_size=(260, 224)), seed=7),
        backbone_digest(fresh, seed=7),
        backbone_digest(fresh, seed=8),
        backbone_digest(BackboneParams(weights="a.h5"), seed=7, root=tmp_path),
        backbone_digest(BackboneParams(weights="b.h5"), seed=7, root=tmp_path),
    ]
    assert len(set(digests)) == len(digests)
    # Params of the head do not change features.
    assert (
        backbone_digest(params.model_copy(update={"dropout": 0.5, "unfreeze": 3}), seed=8)
        == digests[0]
    )
