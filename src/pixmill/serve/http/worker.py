"""Code of the worker processes: predict an image, or draw a heatmap of where the model looked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.images.verified_reading import UndecodableError
from pixmill.models.classifier import Classifier
from pixmill.models.inference import Answer, PredictionPass
from pixmill.models.litert import BACKBONE, HEAD, converted_files, load_maps
from pixmill.models.nearest import vector_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

UNEXPLAINED = "unexplained"
"""Reason why an image has no heatmap: the network has no feature maps or gradients."""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """An image to predict.

    Args:
        content: Bytes of the file.
        all_threads: Whether to use all processors, since no other image is being predicted.
    """

    content: bytes
    all_threads: bool = False


@dataclass(frozen=True, slots=True)
class HeatmapRequest:
    """An image to draw a heatmap for.

    Args:
        content: Bytes of the file.
        label: Class to explain; default: the most probable one.
    """

    content: bytes
    label: str | None = None


@dataclass(frozen=True, slots=True)
class VectorRequest:
    """An image to find similar training images of.

    Args:
        content: Bytes of the file.
    """

    content: bytes


Request = PredictionRequest | HeatmapRequest | VectorRequest


class Predictor:
    """Predict, explain or compare images in a :class:`pixmill.images.compute.Service`.

    Pickled as its arguments.

    It holds the network twice: all threads are fastest for one image, one thread each is fastest
    for as many images as processors. The number of threads does not affect the predictions.

    If the features are averages of feature maps, LiteRT draws the heatmap from these maps; see
    :func:`pixmill.evaluate.gradcam.attention_of_features`.

    Args:
        path: Model path for :meth:`pixmill.models.Classifier.load`.
        observes: Whether answers have measures for a log.
    """

    def __init__(self, path: Path, *, observes: bool = False) -> None:
        self._path = path
        self._single_thread = PredictionPass(path, observes=observes)
        self._all_threads = PredictionPass(path, threads=None, observes=observes)

    def __call__(self, rows: Sequence[Request]) -> list[Answer | bytes | str | None]:
        """Return a prediction, PNG, reason code, or :func:`vector_of` for each request."""
        return [self._answer(row) for row in rows]

    def _answer(self, row: Request) -> Answer | bytes | str | None:
        if isinstance(row, VectorRequest):
            return vector_of(row.content, self._all_threads.classifier, self._path)
        if isinstance(row, PredictionRequest):
            return (self._all_threads if row.all_threads else self._single_thread)([row.content])[0]
        return _heatmap(row, self._all_threads.classifier, self._heat)

    def _heat(self, pixels: Pixels, label: int) -> Any:
        from pixmill.evaluate.gradcam import attention_of_features

        if converted_files(self._path) != (HEAD, BACKBONE):
            return None
        # Loading takes some 0.05 s; keeping it loaded would take as much memory as the network.
        maps = load_maps(self._path / BACKBONE)(pixels[None])
        classifier = self._all_threads.classifier
        if not maps or classifier.backbone is None:
            return None  # The features are not averages of feature maps.
        features = classifier.backbone(pixels[None])
        image_size = pixels.shape[0]
        return attention_of_features(
            maps, features, classifier.network, [label], image_size=image_size
        )[0]


class GradCam:
    """Explain images by Grad-CAM with Keras in a :class:`pixmill.images.compute.Service`.

    Pickled as its path.

    Args:
        path: Folder of a classifier, weights included.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __setstate__(self, state: dict[str, Any]) -> None:
        from pixmill.models.model_folder import load_classifier

        # In the worker, before its limits apply; predictions come first.
        os.nice(10)
        self.__dict__ |= state
        self._model = load_classifier(self._path)[0]
        self._classifier = Classifier.load(self._path)

    def __call__(self, rows: Sequence[HeatmapRequest]) -> list[bytes | str]:
        """Return a PNG or a reason code for each request."""
        return [_heatmap(row, self._classifier, self._heat) for row in rows]

    def _heat(self, pixels: Pixels, label: int) -> Any:
        from pixmill.evaluate.gradcam import attention

        heat = attention(self._model, pixels[None], [label])
        return None if heat is None else heat[0]


def _heatmap(row: HeatmapRequest, classifier: Classifier, heat: Any) -> bytes | str:
    """Return the image under its heatmap as a PNG of the network's input size, or a reason code."""
    from pixmill.evaluate.gradcam import overlay_heatmap
    from pixmill.images.png import png_bytes

    try:
        pixels = classifier.preprocessing(row.content)
    except UndecodableError as error:
        return error.reason
    label = row.label
    if not label:
        label = classifier.labels[classifier.predict_uncalibrated(pixels[None])[0].argmax()]
    found = heat(pixels, classifier.labels.index(label))
    return UNEXPLAINED if found is None else png_bytes(overlay_heatmap(pixels, found))
