"""Weights of a training: fitted, or reused from an earlier training with the same key."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.errors import TrainError
from pixmill.core.files.writing import read_json
from pixmill.core.params import TrainParams
from pixmill.core.process.progress import announce
from pixmill.images.parts import load_parts
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import describe_model
from pixmill.models.novelty import MAX_SAMPLE, fit_novelty
from pixmill.models.tensorflow import tf
from pixmill.train.callback import Callback
from pixmill.train.checkpoints import Checkpoints
from pixmill.train.fitting import FitData, Fitted, Fitter, NetworkFitter
from pixmill.train.heads import FineTuner, HeadFitter
from pixmill.train.training_key import training_key

_REUSED = "train: reused the weights of an earlier training: nothing they depend on has changed"


@dataclass(frozen=True)
class OpenTraining:
    """A training that is ready to be fitted.

    Args:
        fitter: Fitter of the model.
        data: Images, checkpoints and callback.
        key: Digest of everything that the weights depend on; empty if nothing is cached.
        preprocessing: Preprocessing of the images: ``image_size``, ``aspect`` and ``resize``.
    """

    fitter: Fitter
    data: FitData
    key: str
    preprocessing: dict[str, Any]

    def fit(self) -> Fitted:
        """Fit the classifier, or reuse an earlier training.

        Raises:
            TrainError: The model does not fit the images, or the loss is not finite.
        """
        fitter, data = self.fitter, self.data
        features = None
        if checkpoint := data.checkpoints.load_finished(data.callback):
            classifier = fitter.build()
            classifier.set_weights(list(checkpoint.best.values()))
            announce(_REUSED)
        else:
            classifier, checkpoint, features = fitter.fit(data)
            rows = np.unique(np.linspace(0, len(data.training) - 1, MAX_SAMPLE).astype(np.int64))
            novelty = fit_novelty(fitter.novelty_features(data.training.take(rows), classifier))
            checkpoint = replace(checkpoint, state={} if novelty is None else novelty._asdict())
            data.checkpoints.save(checkpoint)
        return Fitted(classifier, checkpoint, features)


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
    """Read the images and choose the fitter; call :meth:`OpenTraining.fit` within the block.

    Arguments and errors are those of :func:`pixmill.train.train`.
    """
    preprocessing: dict[str, Any] = read_json(folder / "preprocessing.json", stage="split")
    parts = load_parts(folder, classes, image_size=preprocessing["image_size"])
    test = parts.pop("test")
    # Announced before the import of TensorFlow, which takes seconds.
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
    if params.model == "backbone" and params.backbone.unfreeze and not params.backbone.dense:
        return FineTuner
    return NetworkFitter


@contextlib.contextmanager
def _enough_memory() -> Iterator[None]:
    """Raise TrainError with a next step if memory is exhausted within the block."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise TrainError(
            "not enough memory for this model and batch size",
            next="lower train.batch_size in params.yaml, or choose a smaller model, then: dvc repro train",
        ) from error
