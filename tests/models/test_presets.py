"""Features of KerasHub presets; classifiers with a preset are saved, loaded and converted."""

import shutil

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams, TrainParams
from pixmill.models.backbones import build_backbone
from pixmill.models.layers import AUTO, TOP, feature_layers, feature_maps, several_layers
from pixmill.models.litert import load_litert
from pixmill.models.litert_export import convert_backbone
from pixmill.models.model_folder import load_classifier, save_classifier
from pixmill.models.networks import build_classifier
from pixmill.models.preset_files import preset_digest
from tests.models.conftest import some_pixels
from tests.presets import SIDE


@pytest.fixture
def params_of(preset):
    def params(kind, **changes):
        side = 56 if kind == "dinov2" else None
        pins = {
            "name": f"hub:{preset(kind)}",
            "sha256": preset_digest(preset(kind)),
            "image_size": side,
        }
        return BackboneParams(**{**pins, **changes})

    return params


def build(params, layers=(AUTO,), side=SIDE):
    return build_backbone(params, image_size=side, seed=7, layers=layers)


@pytest.mark.slow
def test_a_classifier_is_saved_loaded_and_converted(threads, params_of, tmp_path) -> None:
    params = TrainParams(model="features", backbone=params_of("siglip"))
    assert several_layers(params)
    layers = feature_layers(params)
    backbone = build(params.backbone)
    pixels = some_pixels(2, SIDE).astype(np.float32)
    features = np.asarray(backbone(pixels, training=False))
    assert np.median(features.std(axis=0)) > 0
    file = convert_backbone(
        params.backbone, image_size=SIDE, scratch=tmp_path, threads=threads, layers=layers
    )
    assert file is not None
    np.testing.assert_allclose(load_litert(file)(pixels), features, rtol=0, atol=1e-4)
    assert load_litert(file)(pixels[:0]).shape[0] == 0
    classifier = build_classifier(params, labels=3, image_size=SIDE)
    expected = np.asarray(classifier(pixels, training=False))
    save_classifier(
        classifier, ["a", "b", "c"], tmp_path, image_size=SIDE, aspect="pad", resize="bicubic"
    )
    loaded, _ = load_classifier(tmp_path)
    np.testing.assert_allclose(loaded(pixels, training=False), expected, rtol=0, atol=1e-6)


def test_features_are_class_token_and_mean_of_patches(threads, params_of, preset) -> None:
    from keras_hub import layers, models

    own = models.Backbone.from_preset(str(preset("dinov2")), image_shape=(56, 56, 3))
    pixels = some_pixels(2, 56).astype(np.float32)
    converter = layers.ImageConverter.from_preset(str(preset("dinov2")), image_size=None)
    tokens = np.asarray(own({"images": converter(pixels)}))
    expected = np.concatenate([tokens[:, 0], tokens[:, 1:].mean(axis=1)], axis=1)
    params = params_of("dinov2", image_size=None)
    np.testing.assert_allclose(build(params, [TOP], 56)(pixels), expected, rtol=0, atol=1e-5)
    several = build(params, side=56)
    np.testing.assert_allclose(several(pixels)[:, -64:], expected, rtol=0, atol=1e-5)
    named = build(params, ["block2", "block3", "block4", TOP], 56)
    np.testing.assert_array_equal(several(pixels), named(pixels))
    maps = feature_maps(several.output)
    assert {start: values.shape[1:] for start, values in maps.items()} == dict.fromkeys(
        (32, 96, 160, 224), (4, 4, 32)
    )


def test_errors_of_unsupported_params(threads, params_of) -> None:
    with pytest.raises(TrainError, match="no layer 'block9'; did you mean block"):
        build(params_of("dinov2"), ["block9"])
    with pytest.raises(TrainError, match="takes multiples of 14 pixels, received 64"):
        build(params_of("dinov2", image_size=None))
    with pytest.raises(TrainError, match="takes 64 x 64 pixels only, received 96"):
        build(params_of("clip", image_size=96))
    with pytest.raises(TrainError, match="ViTBackbone is not supported; supported are CLIP, "):
        build(params_of("vit"))


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("config.json", '"DTypePolicy"', '"Lambda"', "names Lambda .None., which is not loaded"),
        (
            "config.json",
            '"registered_name": null',
            '"registered_name": "keras_hub>BytePairTokenizer"',
            "BytePairToken",
        ),
        (
            "config.json",
            "keras_hub>DINOV2Backbone",
            "builtins>eval",
            "names DINOV2Backbone .builtins>eval., which",
        ),
        ("config.json", '"patch_size"', '"patch"', "is not of a preset of KerasHub: .patch_size"),
        (
            "image_converter.json",
            "DINOV2ImageConverter",
            "Lambda",
            "names Lambda .*, which is not loaded",
        ),
        ("config.json", '"num_layers": 5', '"num_layers": 6', "is not an intact preset"),
    ],
)
def test_rejects_damaged_or_hostile_presets(
    threads, params_of, preset, tmp_path, file, before, after, message
):
    folder = shutil.copytree(preset("dinov2"), tmp_path / "changed")
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after))
    params = params_of("dinov2", name=f"hub:{folder}", sha256=preset_digest(folder))
    with pytest.raises(TrainError, match=message) as refusal:
        build(params)
    assert "\n" not in refusal.value.message
