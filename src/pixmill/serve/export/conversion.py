"""Convert a trained classifier, calibration included, to the formats of other runtimes."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.core.install.origin import install_command
from pixmill.core.process.progress import Progress
from pixmill.models.exported import Exported, labels_text, write_exported
from pixmill.models.layers import head_features
from pixmill.models.litert import PROBABILITIES, quiet
from pixmill.models.novelty import Novelty, add_novelty
from pixmill.serve.export.html.runtime import missing_runtime

if TYPE_CHECKING:
    import keras

    from pixmill.images.parts import Part

FORMATS = {
    "litert": "model.tflite",
    "int8": "model_int8.tflite",
    "onnx": "model.onnx",
    "keras": "model.keras",
    "html": "model.html",
    "html-small": "model_small.html",
}
"""File names by format."""

SMALL = "html-small"
"""A page whose weights are rounded; exported only if it is asked for."""

PAGES = ("html", SMALL)
"""Formats that need LiteRT.js."""

_MODULES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "keras": ()}
"""Python modules that a format needs, if not LiteRT."""

_CALIBRATION_IMAGES = 200
"""Training images that determine the range of each int8 tensor: 300 and 816 were no better."""

_MAX_FLOAT_SHARE = 0.1
"""Dense layers with less than this share of the weights stay ``float32`` in int8, at little cost.

That of the bundled
model turns features of very different sizes into logits: in 256 steps, 17 % of its predictions
changed.
"""


def install_missing(name: str) -> str | None:
    """Return the command that installs the modules of a format, or ``None`` if they are installed.

    Args:
        name: A key of :data:`FORMATS`.
    """
    modules = _MODULES.get(name, ("ai_edge_litert",))
    if all(importlib.util.find_spec(module) for module in modules):
        missing = missing_runtime() if name in PAGES else None
        return missing.next if missing else None
    return install_command("onnx") if name == "onnx" else "pip install ai-edge-litert"


def calibrate(model: keras.Model, temperature: float | Sequence[float] | None) -> keras.Model:
    """Return a classifier whose outputs are calibrated probabilities.

    It may share weights with the given one.

    Args:
        model: Model from :func:`pixmill.models.model_folder.load_classifier`; may be changed in
            place.
        temperature: Divisor of the logits, or of each label's; ``None``: uncalibrated.
    """
    import keras
    from keras import layers

    if temperature is None:
        return model
    last = model.layers[-2]
    if isinstance(last, layers.Dense) and last.activation is keras.activations.linear:
        last.set_weights(
            [
                (weight.astype(np.float64) / np.asarray(temperature)).astype(np.float32)
                for weight in last.get_weights()
            ]
        )
        return model
    end = model.layers[-1]
    scale = (1 / np.asarray(temperature)).tolist()
    logits = layers.Rescaling(scale, dtype="float32", name="temperature")(end.input)
    probabilities = layers.Activation(end.activation, dtype="float32", name="probabilities")(logits)
    return keras.Model(model.input, probabilities, name=model.name)


def convert(
    name: str,
    model: keras.Model,
    path: Path,
    *,
    description: Exported,
    training: Part,
    novelty: Novelty | None = None,
) -> None:
    """Write one format.

    LiteRT and ONNX have the novelty as a second output. int8 is too coarse for it, and Keras users
    expect one output.

    Args:
        name: A key of :data:`FORMATS`.
        model: Classifier from :func:`calibrate`.
        path: Target file, with the extension of the format.
        description: Metadata of the model.
        training: Training split, whose images calibrate int8.
        novelty: Novelty scorer; default: none.

    Raises:
        Exception: Any exception of the converter.
    """
    match name:
        case "litert":
            from pixmill.models.litert_export import fold_batch_norm

            with quiet():
                whole = add_novelty(model, head_features(model), novelty, name=PROBABILITIES)
                fold_batch_norm(whole).export(str(path), format="litert", verbose=False)
            write_exported(path, path.read_bytes(), description)
        case "int8":
            write_exported(path, _int8(model, training), replace(description, novelty_limit=None))
        case "onnx":
            _to_onnx(
                add_novelty(model, head_features(model), novelty, name=PROBABILITIES),
                path,
                description,
            )
        case "keras":
            model.save(path)


def _int8(model: keras.Model, training: Part) -> bytes:
    """Return a LiteRT model of 8-bit integers with ``float32`` input and output."""
    import tensorflow as tf

    from pixmill.models.litert_export import fold_batch_norm

    # Rows are sorted by id, a digest: evenly spaced rows are as good as random ones.
    rows = np.unique(np.linspace(0, len(training) - 1, _CALIBRATION_IMAGES).astype(np.int64))

    def images() -> Iterator[list[Any]]:
        for row in rows:
            yield [training.pixels[int(row)][None].astype(np.float32)]
            progress.advance()

    debug = tf.lite.experimental
    with (
        # Of its own, since the other one is hidden.
        os.fdopen(os.dup(2), "w") as stderr,
        Progress("Calibrate int8", len(rows), stream=stderr) as progress,
        quiet(),
        warnings.catch_warnings(),
    ):
        # About integer inputs, which this model does not have, and about the debugger's own
        # interpreter.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        warnings.filterwarnings(
            "ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated", UserWarning
        )
        converter = tf.lite.TFLiteConverter.from_keras_model(fold_batch_norm(model))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        # The only public API to exclude operations.
        options = debug.QuantizationDebugOptions(denylisted_ops=_float_operations(model))
        quantized = debug.QuantizationDebugger(converter=converter, debug_options=options)
        return bytes(quantized.get_nondebug_quantized_model())


def _float_operations(model: keras.Model) -> list[str]:
    """Return the operations that stay ``float32`` in int8."""
    import keras
    from keras import layers

    dense = sum(layer.count_params() for layer in model.layers if isinstance(layer, layers.Dense))
    return [
        "SOFTMAX" if model.layers[-1].activation is keras.activations.softmax else "LOGISTIC",
        *(["FULLY_CONNECTED"] if dense < _MAX_FLOAT_SHARE * model.count_params() else []),
    ]


def _to_onnx(model: keras.Model, path: Path, description: Exported) -> None:
    import onnx

    # Keras can only export a model that was called.
    model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False)
    with quiet(), warnings.catch_warnings():
        # From the patch with which Keras makes tf2onnx work with NumPy 2.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(str(path), format="onnx", verbose=False)
    written = onnx.load(path)
    _replace_erfc(written.graph)
    _rename(written.graph)
    onnx.helper.set_model_props(
        written,
        {"labels.txt": labels_text(description.labels), "pixmill.json": description.as_json()},
    )
    path.write_bytes(written.SerializeToString(deterministic=True))


def _replace_erfc(graph: Any) -> None:
    """Replace the complementary error function, which TensorFlow uses in GELU and ONNX lacks.

    Args:
        graph: ONNX graph without subgraphs, changed in place.
    """
    from onnx import helper, numpy_helper

    nodes = list(graph.node)
    if all(node.op_type != "Erfc" for node in nodes):
        return
    graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "one"))
    del graph.node[:]
    for node in nodes:
        if node.op_type == "Erfc":
            (given,) = node.input
            (answer,) = node.output
            erf = f"{answer}/erf"
            graph.node.extend(
                [
                    helper.make_node("Erf", [given], [erf]),
                    helper.make_node("Sub", ["one", erf], [answer]),
                ]
            )
        else:
            graph.node.append(node)


def _rename(graph: Any) -> None:
    """Name tensors by position: the names of tf2onnx depend on the order of Python's sets.

    Args:
        graph: ONNX graph without subgraphs, changed in place.
    """
    (given,) = graph.input
    answers = list(graph.output)
    # A single output may have any name.
    named = {answer.name: answer.name if len(answers) > 1 else PROBABILITIES for answer in answers}
    names = {"": "", given.name: "pixels", **named}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for tensors in (node.input, node.output):
            for place, tensor in enumerate(tensors):
                tensors[place] = names.setdefault(tensor, f"tensor_{len(names):05}")
    for tensor in (given, *answers, *graph.initializer, *graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)
    for tensor in (given, *answers):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    constants = sorted(graph.initializer, key=lambda tensor: str(tensor.name))
    graph.doc_string = ""
    del graph.initializer[:]
    graph.initializer.extend(constants)
