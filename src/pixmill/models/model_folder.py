"""Files of a classifier: weights, architecture and labels."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from pixmill.core.cells import Task
from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import read_json, replacing, reserve, write_text
from pixmill.images.depth import Window
from pixmill.images.fit import ASPECTS, RESIZES
from pixmill.models.determinism import first_line
from pixmill.models.litert import NETWORK, converted_files
from pixmill.models.tensorflow import keras

_ALLOWED_CLASSES: dict[str | None, set[str]] = {
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
"""Accepted classes of Pixmill and common networks by module (an edge of the graph has none)."""

_HUB_LAYERS = "keras_hub.src.models.{0}.{0}_layers"

_ALLOWED_MODULES = {
    "keras.initializers",
    *map(_HUB_LAYERS.format, ("clip", "dinov2", "dinov3", "siglip")),
}
"""Modules whose classes are all accepted: initialisers, and layers of presets."""

_HDF5_OVERHEAD_BYTES = 2**20
"""Upper bound."""

CALIBRATION_FILE = "calibration.json"
NOVELTY_FILE = "novelty.npz"
"""File names of temperature, threshold and novelty limit, and of the novelty parameters."""

HELD_OUT_FILE = "held_out.parquet"
"""File name of the predictions of images that the classifier was not fitted to."""

ONE_LABEL: Task = "one_label"
TASKS = get_args(Task)

_WEIGHTS = "model.weights.h5"
_ARCHITECTURE = "model.json"
_LABELS = "labels.json"


def save_classifier(
    model: keras.Model,
    labels: Sequence[str],
    folder: Path,
    *,
    image_size: int,
    aspect: str,
    resize: str,
    window: Window | None = None,
    task: str = ONE_LABEL,
) -> Path:
    """Write a classifier as three files; equal weights, architecture and labels give equal bytes.

    The ``.keras`` format contains a timestamp.

    Args:
        model: The classifier; it must be uncompiled, since the weights file would include the
            optimizer.
        labels: The classes, in the order of the model's outputs.
        folder: Target folder.
        image_size: Side of the square input, in pixels.
        aspect: Method that makes an image square: ``pad``, ``crop`` or ``stretch``.
        resize: Resampling filter, as in :func:`pixmill.images.fit`.
        window: See :func:`pixmill.images.decode`; default: the training images have 8 bits.
        task: What the model answers, as in params.yaml.

    Returns:
        The weights file, which is written last.
    """
    if model.compiled:
        raise ValueError("a compiled model would carry its optimizer into the weights file")
    architecture = json.dumps(json.loads(model.to_json()), indent=1, sort_keys=True)
    preprocessing = {
        "labels": list(labels),
        "image_size": image_size,
        "aspect": aspect,
        "resize": resize,
    }
    preprocessing |= {"window": window} if window else {}
    # Left out for one label, so that such models are the same bytes as before there were others.
    preprocessing |= {"task": task} if task != ONE_LABEL else {}
    write_text(folder / _ARCHITECTURE, architecture + "\n")
    write_text(folder / _LABELS, json.dumps(preprocessing, indent=1, ensure_ascii=False) + "\n")
    with replacing(folder / _WEIGHTS) as temporary:
        reserve(
            temporary, sum(weight.numpy().nbytes for weight in model.weights) + _HDF5_OVERHEAD_BYTES
        )
        model.save_weights(temporary)
    return folder / _WEIGHTS


def read_description(folder: Path) -> dict[str, Any]:
    """Return ``labels``, ``image_size``, ``aspect``, ``resize``, ``window`` (or ``None``), ``task``.

    Args:
        folder: Folder written by :func:`save_classifier`.

    Raises:
        ManifestError: The file is missing, or was not written by Pixmill.
    """
    match read_json(folder / _LABELS, stage="train"):
        case {
            "labels": [_, *_] as labels,
            "image_size": int(),
            "aspect": aspect,
            "resize": resize,
        } as content:
            found = {"window": None, "task": ONE_LABEL, **content}
            is_known = aspect in ASPECTS and resize in RESIZES and found["task"] in TASKS
            if are_valid_labels(labels) and is_known:
                return found
    raise ManifestError(
        f"{folder / _LABELS}: expected distinct labels (valid Unicode), image_size, aspect and "
        "resize",
        next="dvc repro -f train",
    )


def are_valid_labels(values: Sequence[Any]) -> bool:
    """Return whether values are distinct strings that UTF-8 can encode; JSON may contain others."""
    try:
        encoded = {value.encode() for value in values if isinstance(value, str)}
    except UnicodeEncodeError:
        return False
    return len(encoded) == len(values)


def load_classifier(folder: Path) -> tuple[keras.Model, list[str]]:
    """Return an uncompiled classifier and its labels.

    Loading executes no code from the files: they contain no pickles, and only allowed layers are
    built.

    Args:
        folder: Folder written by :func:`save_classifier`.

    Raises:
        ManifestError: A file is missing, or was not written by Pixmill.
    """
    description = read_description(folder)
    labels = description["labels"]
    image_size = description["image_size"]
    architecture = read_json(folder / _ARCHITECTURE, stage="train")
    weights = folder / _WEIGHTS
    if not weights.exists():
        raise ManifestError(f"{weights} is missing", next="dvc repro train")
    if "keras-hub" in keras_packages(json.dumps(architecture)) and find_spec("keras_hub") is None:
        raise ManifestError(
            f"{folder} has layers of KerasHub, which is not installed", next="pip install keras-hub"
        )
    try:
        disallowed = find_disallowed_class(architecture)
        if disallowed is not None:
            raise ValueError(f"{_ARCHITECTURE} contains {disallowed}, which Pixmill does not build")
        model = keras.saving.deserialize_keras_object(architecture, safe_mode=True)
        with warnings.catch_warnings():
            # Keras only warns about weights that are missing from the file, and keeps the random
            # ones.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(weights)
        if model.output_shape != (None, len(labels)):
            raise ValueError(
                f"expected one output per label ({len(labels)}), received {model.output_shape}"
            )
        if model.input_shape != (None, image_size, image_size, 3):
            raise ValueError(
                f"expected images of image_size ({image_size}), received {model.input_shape}"
            )
    except Exception as error:
        # A hostile file may exhaust memory or exceed the recursion limit.
        reason = first_line(error)
        raise ManifestError(
            f"{folder} is not an intact classifier: {reason}", next="dvc repro -f train"
        ) from error
    return model, labels


def classifier_files(folder: Path) -> list[str]:
    """Return the names of the files that prediction needs.

    Args:
        folder: ``artifacts/train``, or a copy of it.
    """
    return sorted([_LABELS, CALIBRATION_FILE, *(converted_files(folder) or (NETWORK,))])


def keras_packages(architecture: str) -> list[str]:
    """Return the packages that Keras needs to load a model.

    Args:
        architecture: The model as JSON.
    """
    return ["keras", "tensorflow", *(["keras-hub"] if '"keras_hub.' in architecture else [])]


def find_disallowed_class(architecture: Any) -> str | None:
    """Return the first class in an architecture that Pixmill does not load, at any depth.

    ``None`` if there is none.
    """
    for part in nested_dicts(architecture):
        module = part.get("module")
        name = part.get("class_name")
        allowed = name in _ALLOWED_CLASSES.get(module, ()) or (
            module in _ALLOWED_MODULES and str(name)[:1].isupper()
        )
        if (module, name) != (None, None) and not allowed:
            return f"{module}.{name}"
        # Keras looks up a class by this name first.
        registered = part.get("registered_name")
        if registered is not None and str(registered).rpartition(">")[2] != name:
            return str(registered)
    return None


def nested_dicts(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each dictionary in a JSON value, outer ones first."""
    if isinstance(part, dict):
        yield part
    if isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from nested_dicts(each)
