"""The check that a model passes before it answers requests: a few fixed images, on all workers."""

import io
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from starlette.responses import JSONResponse

from pixmill.core.errors import PixmillError
from pixmill.learn.inference import Answer
from pixmill.predict.model import Model

_COUNT, _SIDE = 4, 96
"""Images that a model is checked on, and their side in pixels."""

_TOLERANCE = 1e-6
"""By how much the sum of an image's probabilities may differ from 1."""


def golden_images() -> list[bytes]:
    """Return the PNG files on which a model is checked before it serves: always the same, of coloured noise."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(_COUNT):
        # Coarse, so that the images differ in shapes and colours rather than in grain alone.
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        file = io.BytesIO()
        coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        files.append(file.getvalue())
    return files


def check(model: Model, submit: Callable[[bytes, bool], Future[Any]], *, workers: int) -> list[str]:
    """Return the classes that a model predicts for the golden images.

    Args:
        model: The model.
        submit: Takes an image, and whether all threads work on it; returns the future of an :class:`Answer`.
        workers: Number of workers.

    Raises:
        PixmillError: An image has no prediction, or not one finite probability per class, or they do not sum to 1; or
            two answers to the same image differ; or an answer, or what is known of the model, is no valid JSON.
    """
    labels = []
    for image in golden_images():
        answers: list[Any] = []
        for alone in (False, True):
            # As many at the same time as there are workers, so that all answer some.
            answers += [future.result() for future in [submit(image, alone) for _ in range(workers)]]
        labels.append(_common_class(model, answers))
    return labels


def _common_class(model: Model, answers: list[Any]) -> str:
    """Return the class that all answers to one image name.

    Raises:
        PixmillError: As :func:`check`.
    """
    first: npt.NDArray[np.float64] | None = None
    label = ""
    for answer in answers:
        told = answer.prediction if isinstance(answer, Answer) else None
        if told is None or told.label is None or told.probabilities is None:
            raise _refusal(model, f"a test image has no prediction: {told.reason if told else answer}")
        given = told.probabilities
        if given.shape != (len(model.labels),) or not np.isfinite(given).all():
            raise _refusal(model, f"expected {len(model.labels)} finite probabilities, received {given}")
        if abs(given.sum() - 1) > _TOLERANCE:
            raise _refusal(model, f"its probabilities of a test image sum to {given.sum()}")
        if first is not None and not np.array_equal(first, given):
            raise _refusal(model, "two answers to the same image differ")
        first, label = given, told.label
    try:
        JSONResponse([{**asdict(model), "path": None}, answers[-1].prediction.as_row(model.labels)])
    except ValueError as error:
        raise _refusal(model, f"an answer cannot be written as JSON: {error}") from error
    return label


def _refusal(model: Model, why: str) -> PixmillError:
    return PixmillError(f"{model.path} is not fit to serve: {why}", next="train it again: dvc repro -f train")
