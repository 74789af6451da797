"""The stage's entry point: takes packed images, returns a fitted classifier."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import ManifestError, TrainError
from pixmill.core.files import read_json
from pixmill.core.params import TrainParams
from pixmill.core.progress import announce
from pixmill.images.parts import Part, load_parts
from pixmill.learn.determinism import fix_threads
from pixmill.learn.networks import build_classifier, describe_model
from pixmill.learn.precision import Precision
from pixmill.learn.tensorflow import keras, tf
from pixmill.train.checkpoints import Checkpoint, Checkpoints, OnEpoch
from pixmill.train.fitting import fit
from pixmill.train.folds import FoldResult, cross_validate, fold_metrics, folds_of
from pixmill.train.heads import features_of, fine_tune, fit_head, logistic_answers
from pixmill.train.history import Epoch, Monitor, best_of
from pixmill.train.learning_curve import LearningCurve, learning_curve
from pixmill.train.scaling import Features
from pixmill.train.strategy import choose_strategy, several_processes
from pixmill.train.training_key import training_key

_BATCH = 32

_TAKEN_OVER = "train: reused the weights of an earlier training: nothing they depend on has changed"


class InputFormat(TypedDict):
    """How an image becomes the model's input."""

    image_size: int
    aspect: str
    resize: str


OnFold = Callable[[int], AbstractContextManager[OnEpoch]]
"""Opened for each fold, by its number from 0; yields the function that is called after each of the fold's epochs."""


@dataclass(frozen=True)
class Trained:
    """A fitted classifier and its training.

    Args:
        classifier: The classifier, uncompiled, with the best epoch's weights.
        labels: The classes, in the order of its outputs.
        history: The metrics of each epoch.
        images: Number of images by split.
        training: The training split.
        validation: The validation split.
        preprocessing: Side of the images in pixels, how an image becomes square, and the filter that resizes it.
        monitor: The metric that selects the best epoch.
        folds: The result of each fold; empty without cross-validation.
        precision: The compute precision.
        learning_curve: The validation accuracy for fewer images; ``None`` if it is off.
        features: Features of the validation split, if they were needed to fit the model.
    """

    classifier: keras.Model
    labels: tuple[str, ...]
    history: tuple[Epoch, ...]
    images: dict[str, int]
    training: Part
    validation: Part
    preprocessing: InputFormat
    monitor: Monitor
    folds: tuple[FoldResult, ...]
    precision: Precision
    learning_curve: LearningCurve | None = None
    features: Features | None = None

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept; for a solver, the last iteration."""
        return self.history[-1] if self.solved else best_of(self.history, self.monitor)

    @property
    def solved(self) -> bool:
        """Whether a convex solver fitted the model, so that the history holds its iterations."""
        return self.history[0].learning_rate is None

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return int(self.classifier.count_params())

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        return sum(int(weight.numpy().size) for weight in self.classifier.trainable_weights)

    def headline(self) -> dict[str, Any]:
        """Return the content of ``metrics/train.json``: the metrics of the weights that are kept."""
        best = self.best
        epoch = {} if self.solved else {"best_epoch": best.epoch}
        losses = {"train_loss": best.train_loss, "val_loss": best.val_loss}
        return {"train_accuracy": best.train_accuracy, "val_accuracy": best.val_accuracy, **losses, **epoch}

    def metrics(self) -> dict[str, Any]:
        """Return the content of ``plots/train/full.json``: metrics, model size, folds and learning curve."""
        epochs = {} if self.solved else {"best_epoch": self.best.epoch, "epochs": len(self.history)}
        return {
            **self.best.figures(),
            **epochs,
            "parameters": self.parameters,
            "trainable": self.trainable,
            **fold_metrics(self.folds),
            "learning_curve": None if self.learning_curve is None else self.learning_curve.figures(),
        }

    def record(self) -> dict[str, float]:
        """Return the metrics by which MLflow runs are compared, under names that no curve has."""
        best = {"best_val_accuracy": self.best.val_accuracy, "best_val_loss": self.best.val_loss}
        folds = {"folds_accuracy": float(np.mean([fold.accuracy for fold in self.folds]))} if self.folds else {}
        return {**best, **({} if self.solved else {"best_epoch": self.best.epoch}), **folds}

    def summary(self) -> str:
        """Return the result in one line."""
        figures = f"validation accuracy {100 * self.best.val_accuracy:.1f} %, loss {self.best.val_loss:.3f}"
        if self.solved:
            return f"{figures}; {self.trainable:,} trainable parameters, {len(self.history)} iterations"
        epoch = f"best epoch {self.best.epoch} of {len(self.history)}"
        return f"{epoch}: {figures}; {self.parameters:,} parameters"


@contextlib.contextmanager
def _ignore_fold(_: int) -> Iterator[OnEpoch]:
    yield lambda *_: None


def train(
    folder: Path,
    params: TrainParams,
    *,
    classes: Sequence[str],
    root: Path | None = None,
    scratch: Path | None = None,
    on_epoch: OnEpoch = lambda *_: None,
    on_fold: OnFold = _ignore_fold,
) -> Trained:
    """Fit a classifier to the packed images, or reuse an earlier training with the same key.

    The number of threads is fixed for the rest of this process.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        classes: The labels, in the order of the params.
        root: The project folder, to which a file of pretrained weights is relative; default: the current one.
        scratch: Cache of trainings and features; default: none.
        on_epoch: Called after each epoch; default: nothing.
        on_fold: Opened for each fold; default: nothing.

    Raises:
        ManifestError: The folder is incomplete, or was written for other classes.
        TrainError: The model does not fit the images or the memory, or the loss is not finite.
        Interrupted: SIGINT or SIGTERM arrived; the last complete epoch is kept.
    """
    preprocessing = _preprocessing(folder / "preprocessing.json")
    image_size = preprocessing["image_size"]
    parts = load_parts(folder, classes, image_size=image_size)
    test = parts.pop("test")
    folds = list(folds_of(parts["train"], parts["val"])) if params.cross_validation else []
    # Importing TensorFlow takes seconds.
    announce(f"train: {describe_model(params)}, fitted to {len(parts['train']):,} images")
    fix_threads(params.threads)

    build = partial(build_classifier, params, labels=len(classes), image_size=image_size, root=root)
    with contextlib.ExitStack() as stack:
        checkpoints = None
        # Several processes keep none: killed at different moments, they would resume from different epochs.
        if scratch and not several_processes():
            key = training_key(folder, parts, params, labels=classes, root=root)
            checkpoints = Checkpoints(scratch / "checkpoints" / f"{key}.npz")
        fit_model: Callable[..., Checkpoint] = partial(fit, root=root)
        val_features = None
        features = (scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))) / "features"
        if params.model == "features":
            fit_model = partial(fit_head, scratch=features, root=root)
        elif params.model == "backbone" and params.backbone.unfreeze and not params.backbone.dense:
            fit_model = partial(fine_tune, scratch=features, root=root)
        stack.enter_context(choose_strategy(params).scope())
        stack.enter_context(_enough_memory())
        classifier = build()
        fitted = checkpoints.load_finished(on_epoch) if checkpoints else None
        if fitted:
            classifier.set_weights(list(fitted.best.values()))
            announce(_TAKEN_OVER)
        else:
            if params.model == "features":
                # One pass for all: evaluation needs those of the test images, whose labels are not read here.
                every = features_of(*parts.values(), test, params=params, scratch=features, root=root)
                # No copy: they may lie in a file.
                val_features = every[len(parts["train"]) : -len(test)]
            fitted = fit_model(classifier, *parts.values(), params, checkpoints=checkpoints, on_epoch=on_epoch)
            if checkpoints:
                checkpoints.save(fitted)
        until = best_of(fitted.history, params.monitor).epoch
        # The folds use the precision that was chosen once.
        settled = params.model_copy(update={"precision": fitted.precision})
        results = []
        for fold in folds:
            # With `train.minutes` the best epoch may differ next time.
            kept = checkpoints.within(f"fold-{fold.number}-{until}") if checkpoints else None
            with on_fold(fold.number) as on_its_epoch:
                what = f"Train fold {fold.number + 1} of {len(folds)}"
                fit_fold = partial(fit_model, params=settled, until=until, what=what)
                results.append(cross_validate(fold, build, fit_fold, kept, on_its_epoch))

        curve = None
        is_logistic = params.model == "features" and params.features.head == "logistic"
        if params.learning_curve == "always" or (params.learning_curve == "auto" and is_logistic):
            answer: Callable[..., npt.NDArray[np.integer]] = (
                logistic_answers(parts["train"], parts["val"], params, labels=len(classes), scratch=features, root=root)
                if is_logistic
                else partial(
                    _network_answers,
                    parts["train"],
                    parts["val"],
                    classifier,
                    build,
                    partial(fit_model, params=settled),
                )
            )
            answer = partial(_kept_answers, answer, checkpoints)
            curve = learning_curve(parts["train"], parts["val"], len(classes), seed=params.seed, answer=answer)
    return Trained(
        classifier=classifier,
        labels=tuple(classes),
        history=tuple(fitted.history),
        images={name: len(part) for name, part in parts.items()},
        training=parts["train"],
        validation=parts["val"],
        preprocessing=preprocessing,
        monitor=params.monitor,
        folds=tuple(results),
        precision=fitted.precision,
        learning_curve=curve,
        features=val_features,
    )


def _network_answers(
    training: Part,
    validation: Part,
    classifier: keras.Model,
    build: Callable[[], keras.Model],
    fit_share: Callable[..., Checkpoint],
    rows: npt.NDArray[np.int64],
    checkpoints: Checkpoints | None,
) -> npt.NDArray[np.integer]:
    """Fit a fresh classifier to some rows, and return its classes for the validation split.

    Of all rows the classifier is there already.
    """
    if len(rows) < len(training):
        classifier, what = build(), f"Train on {len(rows):,} images"
        fit_share(classifier, training.take(rows), validation, checkpoints=checkpoints, what=what)
    # Called directly: `predict_on_batch` of one network after the other warns of retracing.
    answers = [
        np.asarray(classifier(pixels, training=False)).argmax(axis=1) for pixels, _ in validation.batches(_BATCH)
    ]
    return np.concatenate(answers)


def _kept_answers(
    answer: Callable[..., npt.NDArray[np.integer]],
    checkpoints: Checkpoints | None,
    rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.integer]:
    """Return the predictions of a fit to some rows, from the checkpoints where they are kept."""
    digest = hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]
    kept = checkpoints.within(f"learning-curve-{digest}") if checkpoints else None
    if kept and (fitted := kept.load_finished(lambda *_: None)):
        found: npt.NDArray[np.integer] = fitted.best["answers"]  # type: ignore[assignment]
        return found
    answers = answer(rows, kept)
    if kept:
        kept.save(Checkpoint([], [], {}, {"answers": answers}, finished=True))
    return answers


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


def _preprocessing(path: Path) -> InputFormat:
    match read_json(path, stage="split"):
        case {"image_size": int(image_size), "aspect": str(aspect), "resize": str(resize)}:
            return {"image_size": image_size, "aspect": aspect, "resize": resize}
    raise ManifestError(f"{path} lacks image_size, aspect or resize", next="dvc repro -f split")
