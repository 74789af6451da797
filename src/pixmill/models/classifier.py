"""The classifier: a network with its preprocessing, labels and calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import render_list
from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import read_json
from pixmill.heads import ONE_LABEL, Calibrated, Head, head_of
from pixmill.images.decode import decode
from pixmill.images.fit import fit
from pixmill.images.verified_reading import UndecodableError
from pixmill.models.exported import load_exported
from pixmill.models.litert import (
    Floats,
    Items,
    Network,
    Scorer,
    converted_files,
    load_litert,
    load_scorer,
)
from pixmill.models.model_folder import CALIBRATION_FILE, read_description

if TYPE_CHECKING:
    from pixmill.images.depth import Window
    from pixmill.images.fit import Aspect, Resize

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Convert the bytes of an image file to the input of the network.

    Args:
        image_size: Side of the square input, in pixels.
        aspect: Method that makes an image square.
        resize: The resampling filter.
        max_pixels: Maximum width times height of an image to decode.
        window: Values that become black and white in images of more than 8 bits. Default: found
            from each image, since the model was trained on images of 8 bits.
    """

    image_size: int
    aspect: Aspect
    resize: Resize
    max_pixels: int = 50_000_000
    window: Window | None = None

    def __call__(self, content: bytes) -> Pixels:
        """Return the pixels, ``uint8`` of shape (image_size, image_size, 3).

        Raises:
            UndecodableError: The bytes are not an intact image, or the image is too large.
            MemoryError: Memory is exhausted.
        """
        return self.with_size(content)[0]

    def with_size(self, content: bytes) -> tuple[Pixels, tuple[int, int]]:
        """Return the pixels, and the upright image's height and width."""
        pixels = decode(content, max_pixels=self.max_pixels, window=self.window).pixels
        height, width, _ = pixels.shape
        return fit(pixels, self.image_size, self.aspect, self.resize), (height, width)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one image; without a prediction, everything but ``reason`` is ``None``.

    Args:
        label: The most probable class; on a tie, the first.
        confidence: Calibrated probability of the label, 0 to 1.
        sure: Whether the confidence reaches the threshold and the image is not unlike the training
            images; ``None`` if the model has no threshold.
        probabilities: Calibrated probability of each class, in the order of the labels;
            ``float64``, sum 1.
        reason: Why there is no prediction, one word as in :class:`pixmill.images.UndecodableError`,
            or ``memory``.
        unlike: Whether the image is unlike the training images, which makes the prediction
            unreliable; ``None`` if unknown.
        labels: Answer by label; ``None`` if the model answers with one.
        sure_labels: Whether each answer is sure; ``None`` if the model answers with one.
    """

    label: str | None = None
    confidence: float | None = None
    sure: bool | None = None
    probabilities: npt.NDArray[np.float64] | None = None
    reason: str | None = None
    unlike: bool | None = None
    labels: Mapping[str, bool] | None = None
    sure_labels: Mapping[str, bool | None] | None = None

    def as_row(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return ``label``, ``confidence``, ``sure``, ``unlike``, each ``p_<class>``, ``reason``.

        Of several labels, ``label`` lists those that the image has, separated by ``;``, and
        ``yes_<label>`` and ``sure_<label>`` are before ``reason``.

        Args:
            labels: The classes, in the order of the network's outputs.
        """
        values = [None] * len(labels) if self.probabilities is None else self.probabilities.tolist()
        columns = {f"p_{label}": value for label, value in zip(labels, values, strict=True)}
        answer = {
            "label": self.label,
            "confidence": self.confidence,
            "sure": self.sure,
            "unlike": self.unlike,
        }
        if self.labels is not None and self.sure_labels is not None:
            answer["label"] = render_list(label for label, has in self.labels.items() if has)
            for label, has in self.labels.items():
                columns |= {f"yes_{label}": has, f"sure_{label}": self.sure_labels[label]}
        return {**answer, **columns, "reason": self.reason}


def read_calibration(folder: Path, head: Head) -> Any:
    """Return the calibration of a classifier.

    Args:
        folder: Its folder.
        head: What it answers.

    Raises:
        ManifestError: The file is missing or malformed.
    """
    path = folder / CALIBRATION_FILE
    try:
        return head.calibration(**read_json(path, stage="train"))
    except TypeError as error:
        raise ManifestError(
            f"{path}: expected temperature, threshold and target_accuracy",
            next="dvc repro -f train",
        ) from error


@dataclass(frozen=True, slots=True)
class Classifier:
    """Predict the label, its confidence, and the probability of each class.

    Every prediction of Pixmill and of its model in MLflow goes through this class, one image at a
    time, so all give the same numbers.

    >>> import numpy as np
    >>> from pixmill.metrics.calibration import Calibration
    >>> def brightness(pixels):
    ...     light = pixels.mean(axis=(1, 2, 3)) / 255
    ...     return np.log(np.stack([1 - light, light], axis=1), dtype=np.float32)
    >>> calibration = Calibration(2.0, threshold=0.6)
    >>> classifier = Classifier(
    ...     ("dark", "light"), Preprocessing(8, "pad", "bicubic"), calibration, brightness
    ... )
    >>> bright, broken = classifier.predict([np.full((8, 8, 3), 204, np.uint8), b"no image"])
    >>> bright.label, round(bright.confidence, 3), bright.sure
    ('light', 0.667, True)
    >>> broken.label, broken.reason
    (None, 'unknown')

    Args:
        labels: The classes, in the order of the network's outputs.
        preprocessing: Conversion of a file to the input of the network.
        calibration: Temperature and confidence threshold.
        network: From pixels, or from the features of the backbone, to logits.
        backbone: From pixels to features. Default: none.
        scorer: Like ``network``, but also returns the novelty of each input. Default: the novelty
            is unknown.
        head: What it answers. Default: one class.
    """

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    calibration: Calibrated
    network: Network
    backbone: Network | None = None
    scorer: Scorer | None = None
    head: Head = ONE_LABEL

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Classifier:
        """Load a classifier from its files.

        Args:
            folder: ``artifacts/train``, a copy of it, or an exported ``.tflite`` file.
            threads: Threads of LiteRT, which do not affect the predictions. Default: one per
                processor, at most 8.

        Raises:
            ManifestError: A file is missing or malformed.
        """
        if folder.suffix == ".tflite" and not folder.is_dir():
            exported, network, scorer = load_exported(folder, threads=threads)
            head = head_of(exported.task)
            preprocessing = Preprocessing(
                exported.image_size, exported.aspect, exported.resize, window=exported.window
            )
            limit = exported.novelty_limit if scorer else None
            calibration = head.calibration(**exported.calibration | {"novelty_limit": limit})
            return cls(
                exported.labels, preprocessing, calibration, network, scorer=scorer, head=head
            )
        description = read_description(folder)
        labels = tuple(description["labels"])
        names = ("image_size", "aspect", "resize", "window")
        preprocessing = Preprocessing(**{name: description[name] for name in names})
        head = head_of(description["task"])
        calibration = read_calibration(folder, head)
        networks = load_networks(folder, threads)
        classifier = cls(labels, preprocessing, calibration, *networks, head=head)
        side = preprocessing.image_size
        try:
            outputs = classifier.predict_uncalibrated(np.zeros((1, side, side, 3), np.uint8)).shape[
                1
            ]
        except ValueError as error:
            problem = f"{folder}: the network expects other inputs: {error}"
            raise ManifestError(problem, next="dvc repro -f train") from error
        if outputs != len(labels):
            raise ManifestError(
                f"{folder}: expected {len(labels)} outputs, received {outputs}",
                next="dvc repro -f train",
            )
        return classifier

    def predict(self, images: Iterable[bytes | Pixels]) -> list[Prediction]:
        """Return a prediction for each image, in order.

        An input that is not an image gets a reason.

        Args:
            images: Bytes of files, or inputs of the network: ``uint8`` of shape (image_size,
                image_size, 3).
        """
        return [self._predict(image) for image in images]

    def predict_uncalibrated(self, pixels: Pixels) -> Floats:
        """Return the uncalibrated probabilities, shape (n, classes).

        Args:
            pixels: ``uint8`` of shape (n, image_size, image_size, 3).

        Raises:
            ValueError: The pixels have another shape.
        """
        return self.score_pixels(pixels)[0]

    def score_pixels(self, pixels: Pixels) -> tuple[Floats, Floats | None]:
        """Return the uncalibrated probabilities, and the novelty of each image, shape (n,).

        ``None`` if unknown.
        """
        side = self.preprocessing.image_size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise ValueError(
                f"expected uint8 pixels of shape (n, {side}, {side}, 3), received {pixels.shape}"
            )
        return self.score_features(self.features(pixels))

    def features(self, pixels: Pixels) -> Items:
        """Return the inputs of :meth:`score_features`; without a backbone, the pixels."""
        return pixels if self.backbone is None else self.backbone(pixels)

    def score_features(self, features: Items) -> tuple[Floats, Floats | None]:
        """Return the same as :meth:`score_pixels`, for inputs such as stored features.

        Args:
            features: ``float32`` of shape (n, width), as the backbone returns them.
        """
        logits, novelty = (
            (self.network(features), None) if self.scorer is None else self.scorer(features)
        )
        return to_probabilities(logits, self.head), novelty

    def _predict(self, image: bytes | Pixels) -> Prediction:
        try:
            pixels = image if isinstance(image, np.ndarray) else self.preprocessing(bytes(image))
        except UndecodableError as error:
            return Prediction(reason=error.reason)
        except MemoryError:
            return Prediction(reason="memory")
        return self.answer(*self.score_pixels(pixels[None]))

    def answer(self, uncalibrated: Floats, novelty: Floats | None) -> Prediction:
        """Return the prediction for one image from its scores, both of length 1."""
        probabilities = self.calibration.apply(uncalibrated)[0]
        unlike = self.calibration.is_unlike(None if novelty is None else float(novelty[0]))
        answer = self.head.answer(probabilities, self.labels, self.calibration, unlike=unlike)
        return Prediction(**asdict(answer), probabilities=probabilities, unlike=unlike)


def to_probabilities(logits: Floats, head: Head) -> Floats:
    """Return probabilities, computed in float64 and rounded to float32."""
    return head.probabilities(logits).astype(np.float32)


def load_networks(
    folder: Path, threads: int | None = None
) -> tuple[Network, Network | None, Scorer | None]:
    """Return the network, its backbone if in a separate file, and the novelty scorer, if any."""
    names = converted_files(folder)
    if not names:
        raise ManifestError(f"{folder} has no network for LiteRT", next="dvc repro -f train")
    path = folder / names[0]
    try:
        backbone = load_litert(folder / names[1], threads=threads) if len(names) > 1 else None
        network, scorer = load_scorer(path, threads=threads)
        return network, backbone, scorer
    except (OSError, RuntimeError, ValueError) as error:
        raise ManifestError(
            f"{path} is not an intact network: {error}", next="dvc repro -f train"
        ) from error
