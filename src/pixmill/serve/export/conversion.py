"""Convert a trained classifier to the formats of other runtimes, with its calibration inside."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.core.install.origin import install_command
from pixmill.models.exported import Exported, labels_text, write_exported
from pixmill.models.heads import head_features
from pixmill.models.litert import PROBABILITIES, quiet
from pixmill.models.novelty import Novelty, add_novelty

if TYPE_CHECKING:
    import keras

    from pixmill.images.parts import Part

FORMATS = {"litert": "model.tflite", "int8": "model_int8.tflite", "onnx": "model.onnx", "keras": "model.keras"}
"""File names by format."""

_NEEDED = {
    "litert": ("ai_edge_litert",),
    "int8": ("ai_edge_litert",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "keras": (),
}
"""The modules that a format takes."""

_CALIBRATING = 200
"""Training images on which int8 finds the range of each tensor: 300 and 816 were no better."""

_FEW = 0.1
"""Dense layers with less than this share of the weights stay ``float32`` in int8. They cost little, and the bundled
model's turns features of very different sizes into logits: in 256 steps, 17 % of its answers changed."""


def install_missing(name: str) -> str | None:
    """Return the command that installs what a format takes, or ``None`` if all is there.

    Args:
        name: A key of :data:`FORMATS`.
    """
    if all(importlib.util.find_spec(module) for module in _NEEDED[name]):
        return None
    return install_command("onnx") if name == "onnx" else "pip install ai-edge-litert"


def calibrate(model: keras.Model, temperature: float | None) -> keras.Model:
    """Return a classifier whose outputs are calibrated probabilities; it may share the given one's weights.

    Args:
        model: As :func:`pixmill.models.model_folder.load_classifier` returns it; it may be changed in place.
        temperature: The divisor of the logits; ``None``: none.
    """
    import keras
    from keras import layers

    if temperature is None:
        return model
    last = model.layers[-2]
    if isinstance(last, layers.Dense) and last.activation is keras.activations.linear:
        last.set_weights(
            [(weight.astype(np.float64) / temperature).astype(np.float32) for weight in last.get_weights()]
        )
        return model
    logits = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(model.layers[-1].input)
    probabilities = layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
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

    The novelty is another output of LiteRT and ONNX. 8-bit integers are too coarse for it, and Keras' users expect one.

    Args:
        name: A key of :data:`FORMATS`.
        model: The classifier, as :func:`calibrate` returns it.
        path: The file to write, with the ending of its format.
        description: What belongs to the model.
        training: The training split, whose images calibrate int8.
        novelty: What tells the novelty. Default: none.

    Raises:
        Exception: Whatever the converter raises.
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
            _to_onnx(add_novelty(model, head_features(model), novelty, name=PROBABILITIES), path, description)
        case "keras":
            model.save(path)


def _int8(model: keras.Model, training: Part) -> bytes:
    """Return a LiteRT model that computes in 8-bit integers, with ``float32`` input and output."""
    import tensorflow as tf

    from pixmill.models.litert_export import fold_batch_norm

    # Rows are in the order of ids, which are digests: evenly spread is as good as random.
    rows = np.unique(np.linspace(0, len(training) - 1, _CALIBRATING).astype(np.int64))

    def images() -> Iterator[list[Any]]:
        for row in rows:
            yield [training.pixels[int(row)][None].astype(np.float32)]

    debug = tf.lite.experimental
    with quiet(), warnings.catch_warnings():
        # Of integers as input, which this model does not have; and of what the debugger itself runs.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated", UserWarning)
        converter = tf.lite.TFLiteConverter.from_keras_model(fold_batch_norm(model))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = images
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        # The only public way to leave operations as they are.
        options = debug.QuantizationDebugOptions(denylisted_ops=_float_operations(model))
        quantized = debug.QuantizationDebugger(converter=converter, debug_options=options)
        return bytes(quantized.get_nondebug_quantized_model())


def _float_operations(model: keras.Model) -> list[str]:
    """Return the operations that int8 leaves as they are."""
    from keras import layers

    dense = sum(layer.count_params() for layer in model.layers if isinstance(layer, layers.Dense))
    return ["SOFTMAX", *(["FULLY_CONNECTED"] if dense < _FEW * model.count_params() else [])]


def _to_onnx(model: keras.Model, path: Path, description: Exported) -> None:
    import onnx

    # Keras traces what was called before.
    model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False)
    with quiet(), warnings.catch_warnings():
        # Keras makes tf2onnx work with NumPy 2.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(str(path), format="onnx", verbose=False)
    written = onnx.load(path)
    _replace_erfc(written.graph)
    _rename(written.graph)
    onnx.helper.set_model_props(
        written, {"labels.txt": labels_text(description.labels), "pixmill.json": description.as_json()}
    )
    path.write_bytes(written.SerializeToString(deterministic=True))


def _replace_erfc(graph: Any) -> None:
    """Replace the complementary error function, which TensorFlow makes of a GELU and ONNX does not have.

    Args:
        graph: An ONNX graph without subgraphs, changed in place.
    """
    from onnx import helper, numpy_helper

    nodes = list(graph.node)
    if all(node.op_type != "Erfc" for node in nodes):
        return
    graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "one"))
    del graph.node[:]
    for node in nodes:
        if node.op_type == "Erfc":
            (given,), (answer,) = node.input, node.output
            erf = f"{answer}/erf"
            graph.node.extend(
                [helper.make_node("Erf", [given], [erf]), helper.make_node("Sub", ["one", erf], [answer])]
            )
        else:
            graph.node.append(node)


def _rename(graph: Any) -> None:
    """Give tensors names by their place: those of tf2onnx depend on the order of Python's sets.

    Args:
        graph: An ONNX graph without subgraphs, changed in place.
    """
    (given,), answers = graph.input, list(graph.output)
    # Its only output may have any name.
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
