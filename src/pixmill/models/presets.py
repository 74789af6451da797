"""Presets of KerasHub as backbones: vision transformers such as DINOv2."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pixmill.core.errors import TrainError
from pixmill.core.process.progress import announce
from pixmill.core.words import did_you_mean
from pixmill.models.determinism import first_line
from pixmill.models.layers import AUTO, TOP
from pixmill.models.model_folder import find_disallowed_class, nested_dicts
from pixmill.models.preset_files import CHOOSE_ANOTHER, CONFIG, CONVERTER
from pixmill.models.tensorflow import keras, load_tensorflow

FAMILIES = {
    "CLIPBackbone": ("CLIPVisionEncoder", "CLIPTextEncoder"),
    "DINOV2Backbone": (),
    "DINOV3Backbone": (),
    "SigLIPBackbone": ("SigLIPVisionEncoder", "SigLIPTextEncoder"),
}
"""Encoders by kind of network; a kind with encoders has only one input size.

Other kinds of KerasHub 0.32 (ViT, DeiT, Swin) cannot be saved within a classifier: ``from_config``
does not restore their layers from ``get_config``.
"""


def preset_features(
    pixels: keras.KerasTensor, folder: Path, layers: Sequence[str], *, image_size: int | None
) -> keras.Model:
    """Return a frozen graph from pixels to features of shape (n, width).

    Layers are blocks: ``block1``, ``block2`` and so on; ``top`` is the last block with its
    normalization. The features of a layer are its class token, then the average of its patch
    tokens, as in the linear evaluation of DINOv2. SigLIP has no class token, but a pooled output at
    the top. ``auto`` selects the last four blocks.

    Source: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023,
    appendix B.3.

    Args:
        pixels: Input from 0 to 255, of shape (n, side, side, 3).
        folder: Folder of the preset.
        layers: Names of layers.
        image_size: Side to which images are resized. Default: the only input size of the network,
            else unchanged.

    Raises:
        TrainError: The preset is damaged or unsupported, does not take images of this size, or
            lacks a layer.
    """
    side = input_side(folder, pixels.shape[1], image_size)
    name, _ = read_preset(folder)
    backbone, converter = _load(folder, name, side)
    x = _preprocess(pixels, converter, side)
    encoder = backbone.vision_encoder if FAMILIES[name] else backbone
    outputs = _outputs(name, encoder)
    parts = [
        part for each in _names(layers, outputs, name) for part in _average(each, outputs[each])
    ]
    whole = keras.layers.Concatenate(name="layers")(parts) if len(parts) > 1 else parts[0]
    # Call the layers on the preprocessed pixels; calling the graph would nest a model.
    graph = keras.Model(encoder.input, whole)
    (key,) = [*encoder.input] if isinstance(encoder.input, dict) else (None,)
    features = graph._run_through_graph(
        x if key is None else {key: x}, operation_fn=lambda operation: operation
    )
    model = keras.Model(pixels, features, name="preset")
    if disallowed := find_disallowed_class(json.loads(model.to_json())):
        # Fail before hours of features for a classifier that could not be loaded.
        message = f"{folder} has layers that a saved classifier may not contain: {disallowed}"
        raise TrainError(message, next=CHOOSE_ANOTHER)
    return model


def _load(folder: Path, name: str, side: int) -> tuple[Any, Any]:
    """Return the network of a preset and its converter of images."""
    load_tensorflow()
    import keras_hub

    options: dict[str, Any] = {"image_shape": (side, side, 3), "apply_layernorm": True}
    if FAMILIES[name]:
        options = {}
    path = str(folder.resolve())
    try:
        with warnings.catch_warnings():
            # Keras only warns about weights that are missing from the file, and keeps the random
            # ones.
            warnings.simplefilter("error", UserWarning)
            backbone = keras_hub.models.Backbone.from_preset(path, dtype="float32", **options)
            return backbone, keras_hub.layers.ImageConverter.from_preset(path)
    except Exception as error:
        raise TrainError(
            f"{folder} is not an intact preset of KerasHub: {first_line(error)}",
            next="delete it if it is a download, then: dvc repro train",
        ) from error


def read_preset(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return class name and config of a preset, whose files name only allowed classes.

    Args:
        folder: Folder of the preset.

    Raises:
        TrainError: The preset is damaged or unsupported.
    """
    try:
        content, converter = (
            json.loads((folder / file).read_text("utf-8")) for file in (CONFIG, CONVERTER)
        )
        name = content["class_name"]
        config = content["config"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainError(
            f"{folder}: {CONFIG} or {CONVERTER} is not of a preset of KerasHub: "
            f"{first_line(error)}",
            next=CHOOSE_ANOTHER,
        ) from error
    if name not in FAMILIES:
        supported = ", ".join(sorted(each.removesuffix("Backbone") for each in FAMILIES))
        raise TrainError(
            f"{folder}: {name} is not supported; supported are {supported}", next=CHOOSE_ANOTHER
        )
    allowed = {name, name.replace("Backbone", "ImageConverter"), *FAMILIES[name]}
    for part in nested_dicts([content, converter]):
        if "class_name" in part:
            found = str(part["class_name"])
            registered = part.get("registered_name")
            is_policy = (part.get("module"), found, registered) == ("keras", "DTypePolicy", None)
            # Keras looks up a class by its registered name first.
            if not is_policy and (found not in allowed or registered != f"keras_hub>{found}"):
                raise TrainError(
                    f"{folder} names {found} ({registered}), which is not loaded",
                    next=CHOOSE_ANOTHER,
                )
    return name, config


def input_side(folder: Path, packed: int, image_size: int | None) -> int:
    """Return the side of the images that the network of a preset takes, in pixels.

    Args:
        folder: Folder of the preset.
        packed: ``split.image_size``.
        image_size: ``train.backbone.image_size``.

    Raises:
        TrainError: The preset is damaged or unsupported, or does not take images of this size.
    """
    name, config = read_preset(folder)
    side = image_size or packed
    try:
        if FAMILIES[name]:
            own = int(config["vision_encoder"]["config"]["image_shape"][0])
            if image_size and side != own:
                raise TrainError(
                    f"train.backbone.image_size: this preset takes {own} x {own} pixels only, "
                    f"received {side}",
                    next=f"set train.backbone.image_size in params.yaml to null or {own}, then: "
                    "dvc repro train",
                )
            if side != own:
                announce(
                    f"train: this preset takes {own} x {own} pixels only, so images of {side} are "
                    "resized"
                )
            return own
        patch = int(config["patch_size"])
        if side % patch:
            key = "train.backbone.image_size" if image_size else "split.image_size"
            below = side // patch * patch or patch
            raise TrainError(
                f"{key}: this preset takes multiples of {patch} pixels, received {side}",
                next=f"set {key} in params.yaml to {below} or {below + patch}, then: dvc repro",
            )
    except (LookupError, TypeError, ValueError) as error:
        message = f"{folder / CONFIG} is not of a preset of KerasHub: {first_line(error)}"
        raise TrainError(message, next=CHOOSE_ANOTHER) from error
    return side


def _preprocess(pixels: keras.KerasTensor, converter: Any, side: int) -> keras.KerasTensor:
    """Return the resized and rescaled pixels that a network takes."""
    x = pixels
    if side != pixels.shape[1]:
        x = keras.layers.Resizing(side, side, interpolation="bilinear", name="resizing")(x)
    scale = _per_channel(converter.scale)
    offset = _per_channel(converter.offset)
    if scale is None and offset is None:
        return x
    return keras.layers.Rescaling(
        1.0 if scale is None else scale, offset=offset or 0.0, name="rescaling"
    )(x)


def _per_channel(value: Any) -> Any:
    """Return a value that :class:`keras.layers.Rescaling` takes and JSON can represent."""
    if value is None or isinstance(value, int | float):
        return value
    return [float(each) for each in value]


class _Tokens(NamedTuple):
    """The output of a block of a transformer.

    Args:
        tokens: Of shape (n, tokens, width).
        others: Number of leading tokens that are not patches: class token, if any, and registers.
        pooled: Replacement of the class token, of shape (n, width). Default: the class token, if
            any.
    """

    tokens: keras.KerasTensor
    others: int
    pooled: keras.KerasTensor | None = None


def _outputs(name: str, encoder: Any) -> dict[str, _Tokens]:
    """Return the outputs of a network by layer name, in the order of the layers."""
    if name.startswith("DINO"):
        others = 1 + encoder.num_register_tokens
        outputs = [
            encoder.pyramid_outputs[f"stage{number + 1}"]
            for number in range(encoder.num_layers - 1)
        ]
    else:
        others = int(name == "CLIPBackbone")
        outputs = [layer.output for layer in encoder.encoder_layers[:-1]]
    top = _Tokens(encoder.output, others)
    if name == "SigLIPBackbone":
        top = _Tokens(encoder.post_layer_norm.output, 0, encoder.output)
    return {
        f"block{number}": _Tokens(tokens, others) for number, tokens in enumerate(outputs, 1)
    } | {TOP: top}


def _average(name: str, output: _Tokens) -> list[keras.KerasTensor]:
    """Return the features of a layer; the last are the average over the image."""
    count, width = output.tokens.shape[1:]
    parts = [] if output.pooled is None else [output.pooled]
    tokens = output.tokens
    if output.others:
        first = keras.layers.Cropping1D((0, count - 1), name=f"class_{name}")(tokens)
        parts.append(keras.layers.Flatten(name=f"class_{name}_vector")(first))
        tokens = keras.layers.Cropping1D((output.others, 0), name=f"patches_{name}")(tokens)
    side = math.isqrt(count - output.others)
    if side**2 != count - output.others:
        # The embedding of SigLIP states one token too many, so the patches do not form a map.
        return [*parts, keras.layers.GlobalAveragePooling1D(name=f"average_{name}")(tokens)]
    grid = keras.layers.Reshape((side, side, width), name=f"map_{name}")(tokens)
    return [*parts, keras.layers.GlobalAveragePooling2D(name=f"average_{name}")(grid)]


def _names(layers: Sequence[str], outputs: Mapping[str, Any], name: str) -> list[str]:
    """Return the names of the wanted outputs."""
    if tuple(layers) == (AUTO,):
        return [*outputs][-4:]
    for layer in layers:
        if layer not in outputs:
            raise TrainError(
                f"train.features.layers: {name} has no layer "
                f"{layer!r}{did_you_mean(layer, outputs)}; it has {', '.join(outputs)}",
                next="set train.features.layers in params.yaml to auto or to some of its layers, "
                "then: dvc repro train",
            )
    return [*dict.fromkeys(layers)]
