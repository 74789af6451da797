"""A classifier as files: weights, architecture and labels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import read_json, replacing, reserve, write_text
from pixmill.images import ASPECTS, RESIZES
from pixmill.models.determinism import first_line
from pixmill.models.litert import NETWORK, converted_files
from pixmill.models.tensorflow import keras

_PARTS: dict[str | None, set[str]] = {
    None: {"__keras_tensor__"},
    "keras": {"DTypePolicy"},
    "keras.layers": {
        "Activation",
        "Add",
        "AveragePooling2D",
        "BatchNormalization",
        "Concatenate",
        "Conv2D",
        "Cropping1D",
        "Cropping2D",
        "Dense",
        "DepthwiseConv2D",
        "Dropout",
        "Flatten",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling2D",
        "GroupNormalization",
        "InputLayer",
        "LayerNormalization",
        "LeakyReLU",
        "MaxPooling2D",
        "Multiply",
        "Normalization",
        "PReLU",
        "ReLU",
        "Rescaling",
        "Reshape",
        "Resizing",
        "SeparableConv2D",
        "ZeroPadding2D",
    },
    "keras.src.applications.convnext": {"LayerScale"},
    "keras.src.models.functional": {"Functional"},
    "keras.src.ops.image": {"RGBToGrayscale"},
    "keras.src.ops.numpy": {"Add", "Multiply", "Pad"},
}
"""What our builders and common networks use, by module (an edge of the graph has none); anything else is rejected."""

_HUB_LAYERS = "keras_hub.src.models.{0}.{0}_layers"

_WHOLE = {"keras.initializers", *map(_HUB_LAYERS.format, ("clip", "dinov2", "dinov3", "siglip"))}
"""Modules whose classes are all accepted: numbers to start from, and the layers of presets."""

_HDF5_BYTES = 2**20
"""Upper bound of the HDF5 overhead."""

CALIBRATION_FILE, NOVELTY_FILE = "calibration.json", "novelty.npz"
"""Names of the files with what is fitted to the validation split, and with what tells the novelty."""

_WEIGHTS, _ARCHITECTURE, _LABELS = "model.weights.h5", "model.json", "labels.json"


def save_classifier(
    model: keras.Model, labels: Sequence[str], folder: Path, *, image_size: int, aspect: str, resize: str
) -> Path:
    """Write a classifier as three files, whose bytes depend on weights, architecture and labels alone.

    Keras' own ``.keras`` file contains a timestamp, so its bytes differ each time.

    Args:
        model: The classifier; it must be uncompiled, so that no optimizer is saved.
        labels: The classes, in the order of the model's outputs.
        folder: The target folder.
        image_size: Side of the square input, in pixels.
        aspect: How an image becomes square: ``pad``, ``crop`` or ``stretch``.
        resize: The resampling filter, as in :func:`pixmill.images.fit`.

    Returns:
        The weights file, which is written last.
    """
    if model.compiled:
        raise ValueError("a compiled model would carry its optimizer into the weights file")
    architecture = json.dumps(json.loads(model.to_json()), indent=1, sort_keys=True)
    preprocessing = {"labels": list(labels), "image_size": image_size, "aspect": aspect, "resize": resize}
    write_text(folder / _ARCHITECTURE, architecture + "\n")
    write_text(folder / _LABELS, json.dumps(preprocessing, indent=1, ensure_ascii=False) + "\n")
    with replacing(folder / _WEIGHTS) as temporary:
        reserve(temporary, sum(weight.numpy().nbytes for weight in model.weights) + _HDF5_BYTES)
        model.save_weights(temporary)
    return folder / _WEIGHTS


def read_description(folder: Path) -> dict[str, Any]:
    """Return ``labels``, ``image_size``, ``aspect`` and ``resize`` of a saved classifier.

    Args:
        folder: The folder that :func:`save_classifier` wrote.

    Raises:
        ManifestError: The file is missing, or was not written by Pixmill.
    """
    match read_json(folder / _LABELS, stage="train"):
        case {"labels": [_, *_] as labels, "image_size": int(image_size), "aspect": aspect, "resize": resize}:
            if are_labels(labels) and aspect in ASPECTS and resize in RESIZES:
                return {"labels": labels, "image_size": image_size, "aspect": aspect, "resize": resize}
    raise ManifestError(
        f"{folder / _LABELS}: expected distinct labels (valid Unicode), image_size, aspect and resize",
        next="dvc repro -f train",
    )


def are_labels(values: Sequence[Any]) -> bool:
    """Tell whether values can be a model's labels: distinct strings that UTF-8 can encode (JSON may hold others)."""
    try:
        encoded = {value.encode() for value in values if isinstance(value, str)}
    except UnicodeEncodeError:
        return False
    return len(encoded) == len(values)


def load_classifier(folder: Path) -> tuple[keras.Model, list[str]]:
    """Return a classifier and its labels, uncompiled.

    Loading executes nothing from the files: no pickle, no code, only layers that Pixmill builds.

    Args:
        folder: The folder that :func:`save_classifier` wrote.

    Raises:
        ManifestError: A file is missing, or was not written by Pixmill.
    """
    description = read_description(folder)
    labels, image_size = description["labels"], description["image_size"]
    architecture = read_json(folder / _ARCHITECTURE, stage="train")
    weights = folder / _WEIGHTS
    if not weights.exists():
        raise ManifestError(f"{weights} is missing", next="dvc repro train")
    if "keras-hub" in keras_packages(json.dumps(architecture)) and find_spec("keras_hub") is None:
        raise ManifestError(f"{folder} has layers of KerasHub, which is not installed", next="pip install keras-hub")
    try:
        strange = find_disallowed_class(architecture)
        if strange is not None:
            raise ValueError(f"{_ARCHITECTURE} contains {strange}, which Pixmill does not build")
        model = keras.saving.deserialize_keras_object(architecture, safe_mode=True)
        with warnings.catch_warnings():
            # If a weight is missing from the file, Keras only warns and keeps the random one.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(weights)
        if model.output_shape != (None, len(labels)):
            raise ValueError(f"expected one output per label ({len(labels)}), received {model.output_shape}")
        if model.input_shape != (None, image_size, image_size, 3):
            raise ValueError(f"expected images of image_size ({image_size}), received {model.input_shape}")
    except Exception as error:
        # A hostile file may exhaust memory or exceed the recursion limit.
        reason = first_line(error)
        raise ManifestError(f"{folder} is not an intact classifier: {reason}", next="dvc repro -f train") from error
    return model, labels


def classifier_files(folder: Path) -> list[str]:
    """Return the names of the files that a classifier predicts with.

    Args:
        folder: ``artifacts/train``, or a copy.
    """
    return sorted([_LABELS, CALIBRATION_FILE, *(converted_files(folder) or (NETWORK,))])


def keras_packages(architecture: str) -> list[str]:
    """Return the packages that load a model with Keras.

    Args:
        architecture: The model as JSON.
    """
    return ["keras", "tensorflow", *(["keras-hub"] if '"keras_hub.' in architecture else [])]


def find_disallowed_class(part: Any) -> str | None:
    """Return the first class in an architecture that is not loaded, at any depth; ``None`` if there is none."""
    if isinstance(part, dict):
        module, name = part.get("module"), part.get("class_name")
        known = name in _PARTS.get(module, ()) or (module in _WHOLE and str(name)[:1].isupper())
        if (module, name) != (None, None) and not known:
            return f"{module}.{name}"
        # Keras looks for a class by this name first.
        registered = part.get("registered_name")
        if registered is not None and str(registered).rpartition(">")[2] != name:
            return str(registered)
        part = list(part.values())
    if isinstance(part, list):
        return next(filter(None, map(find_disallowed_class, part)), None)
    return None
