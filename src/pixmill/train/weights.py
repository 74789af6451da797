"""One training's weights: fitted by the fitter of its model, or reused from an earlier training with the same key."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from pixmill.core.errors import TrainError
from pixmill.core.files.writing import read_json
from pixmill.core.params import TrainParams
from pixmill.core.process.progress import announce
from pixmill.images.parts import load_parts
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import describe_model
from pixmill.models.scaling import Features
from pixmill.models.tensorflow import keras, tf
from pixmill.train.callback import Callback
from pixmill.train.checkpoints import Checkpoint, Checkpoints
from pixmill.train.fitting import FitData, Fitter, NetworkFitter
from pixmill.train.heads import FineTuner, HeadFitter
from pixmill.train.history import best_of
from pixmill.train.novelty import SAMPLE, fit_novelty
from pixmill.train.training_key import training_key

_TAKEN_OVER = "train: reused the weights of an earlier training: nothing they depend on has changed"


class InputFormat(TypedDict):
    """How an image becomes the model's input."""

    image_size: int
    aspect: str
    resize: str


@dataclass(frozen=True)
class FittedWeights:
    """A fitted classifier, as it is kept.

    Args:
        classifier: The classifier, uncompiled, with the best epoch's weights.
        checkpoint: Its finished training.
        until: The best epoch, from 1; for a solver, its iteration of the lowest loss.
        features: Features of the validation split, if they were needed to fit the model.
    """

    classifier: keras.Model
    checkpoint: Checkpoint
    until: int
    features: Features | None = None


@dataclass(frozen=True)
class OpenTraining:
    """A training whose images are read and whose fitter is chosen.

    Args:
        fitter: Fits the model.
        data: The images, the checkpoints and the callback.
        key: What the weights depend on; empty where nothing is kept.
        preprocessing: How an image becomes the model's input.
    """

    fitter: Fitter
    data: FitData
    key: str
    preprocessing: InputFormat

    def fit(self) -> FittedWeights:
        """Fit the classifier, or reuse an earlier training.

        Raises:
            TrainError: The model does not fit the images, or the loss is not finite.
        """
        fitter, data = self.fitter, self.data
        features = None
        if checkpoint := data.checkpoints.load_finished(data.callback):
            classifier = fitter.build()
            classifier.set_weights(list(checkpoint.best.values()))
            announce(_TAKEN_OVER)
        else:
            classifier, checkpoint, features = fitter.fit(data)
            rows = np.unique(np.linspace(0, len(data.training) - 1, SAMPLE).astype(np.int64))
            novelty = fit_novelty(fitter.novelty_features(data.training.take(rows), classifier))
            checkpoint = replace(checkpoint, state={} if novelty is None else novelty._asdict())
            data.checkpoints.save(checkpoint)
        until = best_of(checkpoint.history, fitter.params.monitor).epoch
        return FittedWeights(classifier, checkpoint, until, features)


@contextlib.contextmanager
def open_training(
    folder: Path,
    params: TrainParams,
    *,
    classes: Sequence[str],
    root: Path = Path(),
    scratch: Path | None = None,
    callback: Callback | None = None,
) -> Iterator[OpenTraining]:
    """Open a training, with the arguments and errors of :func:`pixmill.train.train`; fit within the block."""
    preprocessing: InputFormat = read_json(folder / "preprocessing.json", stage="split")
    parts = load_parts(folder, classes, image_size=preprocessing["image_size"])
    test = parts.pop("test")
    # Importing TensorFlow takes seconds.
    announce(f"train: {describe_model(params)}, fitted to {len(parts['train']):,} images")
    fix_threads(params.threads)
    with contextlib.ExitStack() as stack:
        checkpoints, key = Checkpoints(), ""
        if scratch:
            key = training_key(folder, parts, params, labels=classes, root=root)
            checkpoints = Checkpoints(scratch / "checkpoints" / f"{key}.npz")
        features = (scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))) / "features"
        fitter = _fitter_for(params)(params, len(classes), preprocessing["image_size"], root, features)
        stack.enter_context(_enough_memory())
        data = FitData(parts["train"], parts["val"], checkpoints, callback or Callback(), test=test)
        yield OpenTraining(fitter, data, key, preprocessing)


def _fitter_for(params: TrainParams) -> type[Fitter]:
    if params.model == "features":
        return HeadFitter
    return (
        FineTuner
        if params.model == "backbone" and params.backbone.unfreeze and not params.backbone.dense
        else NetworkFitter
    )


@contextlib.contextmanager
def _enough_memory() -> Iterator[None]:
    """Turn an out-of-memory error of the block into a helpful message."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise TrainError(
            "not enough memory for this model and batch size",
            next="lower train.batch_size in params.yaml, or choose a smaller model, then: dvc repro train",
        ) from error
