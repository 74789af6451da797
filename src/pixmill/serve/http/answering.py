"""What a worker process does: predict an image, or show where the model looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.images import UndecodableError
from pixmill.models.classifier import Classifier
from pixmill.models.inference import Answer, PredictionPass
from pixmill.models.litert import BACKBONE, HEAD, converted_files, load_maps

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

UNEXPLAINED = "unexplained"
"""The word for an image that a network cannot say anything about."""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """An image that is to be predicted.

    Args:
        content: The bytes of a file.
        alone: Whether nothing else is being predicted, so that all processors may work on it.
    """

    content: bytes
    alone: bool = False


@dataclass(frozen=True, slots=True)
class HeatmapRequest:
    """An image of which to show where the model looked.

    Args:
        content: The bytes of a file.
        label: For which class; ``None``: the one that it predicts.
    """

    content: bytes
    label: str | None = None


class Answering:
    """Predict or explain one image, for :class:`pixmill.images.compute.Service`; pickled as its path alone.

    It holds the network twice. For one image at a time, all threads are faster than one; for as many images as
    processors, one thread each is faster. The number of threads does not affect the answers.

    A head on features that are averages of feature maps is explained with these maps, by LiteRT; see
    :func:`pixmill.evaluate.gradcam.attention_of_features`.

    Args:
        path: What :meth:`pixmill.models.Classifier.load` takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._busy, self._alone = PredictionPass(path), PredictionPass(path, threads=None)

    def __call__(self, rows: Sequence[PredictionRequest | HeatmapRequest]) -> list[Answer | bytes | str]:
        """Return for each row its prediction, or its PNG, or in a word why there is no PNG."""
        return [self._answer(row) for row in rows]

    def _answer(self, row: PredictionRequest | HeatmapRequest) -> Answer | bytes | str:
        if isinstance(row, PredictionRequest):
            return (self._alone if row.alone else self._busy)([row.content])[0]
        return _heatmap(row, self._alone.classifier, self._heat)

    def _heat(self, pixels: Pixels, label: int) -> Any:
        from pixmill.evaluate.gradcam import attention_of_features

        if converted_files(self._path) != (HEAD, BACKBONE):
            return None
        # Loaded each time, in some hundredths of a second, since it would take as much memory as the network.
        maps, classifier = load_maps(self._path / BACKBONE)(pixels[None]), self._alone.classifier
        if not maps or classifier.backbone is None:
            return None  # The features are no averages of feature maps.
        features, image_size = classifier.backbone(pixels[None]), pixels.shape[0]
        return attention_of_features(maps, features, classifier.network, [label], image_size=image_size)[0]


class Gradients:
    """Explain one image by Grad-CAM with Keras, for :class:`pixmill.images.compute.Service`; pickled as its path alone.

    Args:
        path: The folder of a classifier's files, weights included.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __setstate__(self, state: dict[str, Any]) -> None:
        from pixmill.models.model_folder import load_classifier

        # In the worker, before its limits hold.
        self.__dict__ |= state
        self._model = load_classifier(self._path)[0]
        self._classifier = Classifier.load(self._path)

    def __call__(self, rows: Sequence[HeatmapRequest]) -> list[bytes | str]:
        """Return for each row its PNG, or in a word why there is none."""
        return [_heatmap(row, self._classifier, self._heat) for row in rows]

    def _heat(self, pixels: Pixels, label: int) -> Any:
        from pixmill.evaluate.gradcam import attention

        heat = attention(self._model, pixels[None], [label])
        return None if heat is None else heat[0]


def _heatmap(row: HeatmapRequest, classifier: Classifier, heat: Any) -> bytes | str:
    """Return the image with a heatmap on it, as a PNG of the network's size."""
    from pixmill.evaluate.gradcam import overlay_heatmap
    from pixmill.images.png import png_bytes

    try:
        pixels = classifier.preprocessing(row.content)
    except UndecodableError as error:
        return error.reason
    label = row.label or classifier.predict([pixels])[0].label
    warmth = heat(pixels, classifier.labels.index(label))
    return UNEXPLAINED if warmth is None else png_bytes(overlay_heatmap(pixels, warmth))
