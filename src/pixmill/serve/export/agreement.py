"""Agreement of an exported model with the original, measured on images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import UNKNOWN
from pixmill.core.process.progress import track
from pixmill.core.words import percent
from pixmill.images.parts import Part
from pixmill.models.classifier import Classifier
from pixmill.models.litert import PROBABILITIES
from pixmill.serve.export.html.page import open_page

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float64]

FLOAT_LIMITS = {"litert": 1e-5, "onnx": 1e-4, "keras": 1e-4, "html": 1e-5}
"""Maximum difference of a probability by format.

The bundled model differs by 5e-8 in LiteRT, the runtime of the
original, and by 5e-6 in the others, which add in another order.
"""

MIN_SAME = 0.9
"""Minimum share of images with the same class in int8 and in a small page.

It is 0.96 to 0.99 for the bundled model in int8.
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Comparison of an exported model with the original on the same images.

    Of several labels, an answer is that to one label, and right or wrong if the label is known.

    Args:
        n: Number of images.
        same: Share of answers that are the same.
        largest: Largest absolute difference of a calibrated probability.
        accuracy: Accuracy of the exported model.
        drop: Accuracy of the original minus that of the exported model.
    """

    n: int
    same: float
    largest: float
    accuracy: float
    drop: float

    def refusal(self, name: str, *, max_drop: float) -> str | None:
        """Return the reason to refuse the exported model, or ``None``.

        Args:
            name: The format. For ``float32`` formats only the probabilities are checked: if these
                agree, only equally probable classes can change places.
            max_drop: Maximum drop of the accuracy, for int8 and small pages.
        """
        limit = FLOAT_LIMITS.get(name)
        if limit is not None:
            if self.largest <= limit:
                return None
            return f"a probability differs by {self.largest:.2g}, more than {limit:g}"
        if self.same < MIN_SAME:
            return f"only {percent(self.same)} of the answers are the same, less than {percent(MIN_SAME, 0)}"
        if self.drop > max_drop:
            return (
                f"the accuracy drops by {100 * self.drop:.1f} points, more than "
                f"{100 * max_drop:g} (--max-drop)"
            )
        return None


def measure(
    predict: Callable[[Pixels], Probabilities],
    part: Part,
    rows: npt.NDArray[np.int64],
    expected: Probabilities,
    original: Classifier,
) -> Agreement:
    """Compare a model's calibrated probabilities with those of the original.

    Args:
        predict: Returns the probability of each class for one image; see :func:`open_exported`.
        part: Split of the images.
        rows: Rows of the images.
        expected: Probabilities of the original, shape (rows, classes).
        original: It decides what probabilities answer.
    """
    found = np.stack(
        [predict(part.pixels[row]) for row in track(rows.tolist(), "Check", len(rows))]
    )
    actual = part.targets[rows]
    answers = original.head.decide(found, original.calibration)
    before = original.head.decide(expected, original.calibration)
    known = actual != UNKNOWN
    accuracy = float((answers == actual)[known].mean())
    largest = np.abs(found - expected).max()
    return Agreement(
        n=len(rows),
        same=float((answers == before).mean()),
        largest=float(largest) if np.isfinite(largest) else float("inf"),
        accuracy=accuracy,
        drop=float((before == actual)[known].mean()) - accuracy,
    )


def open_exported(path: Path, original: Classifier) -> Callable[[Pixels], Probabilities]:
    """Return a function from the pixels of an image to the probability of each class.

    Args:
        path: The file; its extension decides on the runtime.
        original: The exported classifier, whose calibration a page applies.

    Raises:
        Exception: Any exception of the runtime.
    """
    if path.suffix in (".html", ".tflite"):
        classifier = (
            Classifier.load(path) if path.suffix == ".tflite" else open_page(path, original)
        )
        return lambda pixels: classifier.calibration.apply(
            classifier.predict_uncalibrated(pixels[None])
        )[0]
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def run(pixels: Pixels) -> Probabilities:
            (found,) = session.run([PROBABILITIES], {name: pixels[None].astype(np.float32)})
            return np.asarray(found[0], np.float64)

        return run
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(path, compile=False, safe_mode=True)

    def predict(pixels: Pixels) -> Probabilities:
        # GPUs may compute with less precision.
        with tf.device("CPU"):
            return np.asarray(
                model.predict_on_batch(pixels[None].astype(np.float32))[0], np.float64
            )

    return predict
