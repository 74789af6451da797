"""Examples for a model card: how to prepare an image, and how to run each format."""

from __future__ import annotations

from pixmill.learn.exported import Exported

__all__ = ["USAGE", "preparation"]

_SQUARES = {
    "stretch": """\
    image = image.resize((SIDE, SIDE), FILTER)
""",
    "crop": """\
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), FILTER)
""",
    "pad": """\
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    size = [max(1, round(length * SIDE / max(image.size))) for length in image.size]
    square = Image.new("RGB", (SIDE, SIDE), tuple(int(value) for value in np.rint(edge.mean(axis=0))))
    square.paste(image.resize(size, FILTER), tuple((SIDE - length) // 2 for length in size))
    image = square
""",
}

_PREPARATION = """\
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SIDE, FILTER = {side}, Image.Resampling.{filter}


def prepare(path):
    image = ImageOps.exif_transpose(Image.open(path))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
{square}    return np.asarray(image, dtype=np.float32)[None]


labels = Path("labels.txt").read_text(encoding="utf-8").splitlines()
"""

_LITERT = """\
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter("{file}")
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], prepare("photo.jpg"))
interpreter.invoke()
probabilities = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_ONNX = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(probabilities,) = session.run(None, {session.get_inputs()[0].name: prepare("photo.jpg")})[0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_KERAS = """\
import keras

model = keras.saving.load_model("model.keras", compile=False)
probabilities = model.predict(prepare("photo.jpg"), verbose=0)[0]
print(labels[probabilities.argmax()], probabilities.max())
"""

USAGE = {
    "litert": ("LiteRT (`pip install ai-edge-litert`)", _LITERT.format(file="model.tflite")),
    "int8": ("LiteRT, 8-bit integers", _LITERT.format(file="model_int8.tflite")),
    "onnx": ("ONNX Runtime (`pip install onnxruntime`)", _ONNX),
    "keras": ("Keras (`pip install keras tensorflow`)", _KERAS),
}
"""Title and Python code by format, which follows that of :func:`preparation`."""


def preparation(description: Exported) -> str:
    """Return Python code that prepares an image as Pixmill does, and reads the labels.

    Args:
        description: The exported model.
    """
    return _PREPARATION.format(
        side=description.image_size, filter=description.resize.upper(), square=_SQUARES[description.aspect]
    )
