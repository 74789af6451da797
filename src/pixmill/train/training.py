"""Entry point of the library: fit a classifier to packed images."""

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
from pixmill.core.manifest import SERIES_FILE
from pixmill.core.params import BackboneModel, CnnModel, FeatureModel, Model, TrainParams
from pixmill.core.process.progress import announce
from pixmill.core.words import percent
from pixmill.heads import ONE_LABEL, Head
from pixmill.images.parts import Part, load_parts
from pixmill.models.determinism import fix_threads
from pixmill.models.held_out import HeldOut, predict_held_out
from pixmill.models.layers import head_features, last_features
from pixmill.models.networks import describe_model
from pixmill.models.novelty import Novelty, fit_novelty
from pixmill.models.scaling import Features
from pixmill.models.tensorflow import keras, tf
from pixmill.train.checkpoints import Checkpoints
from pixmill.train.cross_fitting import CrossFitted, divisions, folds_to_fit, novelty_sample
from pixmill.train.fitting import FitData, Fitted, Fitter, NetworkFitter
from pixmill.train.folds import FoldResult, cross_validate, fold_metrics, folds_of
from pixmill.train.heads import FineTuner, HeadFitter
from pixmill.train.history import Callback, Epoch, Monitor, best_of
from pixmill.train.learning_curve import LearningCurve, learning_curve
from pixmill.train.training_key import training_key

_LEARNED = 0.99
"""A network has learned something if its validation loss is below this share of that of guessing.
"""


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
            TrainError: The model does not fit the images, or the training diverged.
        """
        fitter = self.fitter
        data = self.data
        if checkpoint := data.checkpoints.load_finished(data.callback):
            classifier = fitter.build()
            classifier.set_weights(list(checkpoint.best.values()))
            announce(
                "train: reused the weights of an earlier training: nothing they depend on has "
                "changed"
            )
            return Fitted(classifier, checkpoint, None, CrossFitted.from_arrays(checkpoint.state))
        classifier, checkpoint, features, cross_fitted = fitter.fit(data)
        fitted = data.training.join(data.validation) if cross_fitted else data.training
        sample = fitted.take(novelty_sample(np.arange(len(fitted))))
        top = last_features(head_features(classifier)).shape[-1]
        novelty = fit_novelty(fitter.novelty_features(sample, classifier), top)
        state = {
            **({} if novelty is None else novelty.arrays()),
            **(cross_fitted.arrays() if cross_fitted else {}),
        }
        checkpoint = replace(checkpoint, state=state)
        data.checkpoints.save(checkpoint)
        return Fitted(classifier, checkpoint, features, cross_fitted)


@contextlib.contextmanager
def open_training(
    folder: Path,
    params: TrainParams,
    *,
    head: Head,
    classes: Sequence[str],
    root: Path = Path(),
    scratch: Path | None = None,
    callback: Callback | None = None,
) -> Iterator[OpenTraining]:
    """Read the images and choose the fitter; call :meth:`OpenTraining.fit` within the block.

    Arguments and errors are those of :func:`pixmill.train.train`.
    """
    preprocessing: dict[str, Any] = read_json(folder / "preprocessing.json", stage="split")
    parts = load_parts(
        folder, classes, targets=head.targets, image_size=preprocessing["image_size"]
    )
    test = parts.pop("test")
    # Announced before the import of TensorFlow, which takes seconds.
    sizes = f"{len(parts['train']):,} training and {len(parts['val']):,} validation images"
    announce(f"train: {describe_model(params)}, on {sizes}")
    fix_threads(params.threads)
    with contextlib.ExitStack() as stack:
        checkpoints = Checkpoints()
        key = ""
        if scratch:
            key = training_key(folder, parts, params, labels=classes, root=root)
            checkpoints = Checkpoints(scratch / "checkpoints" / f"{key}.npz")
        features = (
            scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ) / "features"
        fitter = _fitter_for(params.kind)(
            params, head, len(classes), preprocessing["image_size"], root, features
        )
        folds = folds_to_fit(head, parts["train"], parts["val"])
        data = FitData(
            parts["train"],
            parts["val"],
            checkpoints,
            callback or Callback(),
            folds=folds,
            test=test,
        )
        try:
            yield OpenTraining(fitter, data, key, preprocessing)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise TrainError(
                "not enough memory for this model and batch size",
                next="lower train.batch_size in params.yaml, or choose a smaller model, then: dvc "
                "repro train",
            ) from error


def _fitter_for(model: Model) -> type[Fitter]:
    match model:
        case FeatureModel():
            return HeadFitter
        case BackboneModel(backbone=backbone) if backbone.unfreeze and not backbone.dense:
            return FineTuner
        case BackboneModel() | CnnModel():
            return NetworkFitter


@dataclass(frozen=True)
class Trained:
    """A fitted classifier and its training.

    Args:
        classifier: The classifier, uncompiled, with the weights of the best epoch.
        head: What the classifier answers.
        labels: The classes, in the order of the outputs.
        history: Metrics of each epoch.
        training: The training split.
        validation: The validation split.
        preprocessing: ``image_size``, ``aspect`` and ``resize``, as for :func:`pixmill.images.fit`.
        monitor: Metric that selects the best epoch.
        folds: Result of each fold; empty without cross-fitting or cross-validation.
        learning_curve: Accuracy on held-out images by number of training images; ``None`` if it is
            off.
        features: Features of the validation split, if fitting needed them and it was not
            cross-fitted.
        cross_fitted: Held-out predictions of training and validation images, to both of which the
            classifier was then fitted; ``None`` if it was fitted to the training split only.
        novelty: Parameters of the novelty; ``None`` if there are too few training images.
        series_accuracy: Cross-validated accuracy with each series of images in one fold; ``None``
            if the folds tear none, or it was not measured.
    """

    classifier: keras.Model
    head: Head
    labels: tuple[str, ...]
    history: tuple[Epoch, ...]
    training: Part
    validation: Part
    preprocessing: dict[str, Any]
    monitor: Monitor
    folds: tuple[FoldResult, ...]
    learning_curve: LearningCurve | None = None
    features: Features | None = None
    cross_fitted: CrossFitted | None = None
    novelty: Novelty | None = None
    series_accuracy: float | None = None

    @property
    def best(self) -> Epoch:
        """The epoch whose weights are used; for a solver, the last iteration."""
        return self.history[-1] if self.solved else best_of(self.history, self.monitor)

    @property
    def solved(self) -> bool:
        """Whether a convex solver fitted the model; the history then contains its iterations."""
        return self.history[0].learning_rate is None

    @property
    def fitted_to(self) -> Part:
        """The images that the classifier was fitted to."""
        return self.training.join(self.validation) if self.cross_fitted else self.training

    def held_out(self, folder: Path) -> HeldOut:
        """Return predictions of images that the classifier was not fitted to before.

        Args:
            folder: Folder of the saved classifier, which predicts the validation split if there was
                no cross-fitting.
        """
        if self.cross_fitted is None:
            return predict_held_out(folder, self.validation, self.head, features=self.features)
        known = np.flatnonzero(self.cross_fitted.known)
        part = self.fitted_to.take(known)
        return HeldOut(
            part.rows,
            part.targets,
            self.cross_fitted.probabilities[known],
            self.cross_fitted.novelty[known],
        )

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return int(self.classifier.count_params())

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        return sum(int(weight.numpy().size) for weight in self.classifier.trainable_weights)

    def caution(self) -> str:
        """Return a warning if a network is no better than guessing by the class frequencies.

        Else an empty string.
        """
        actual = self.validation.targets
        shares = self.head.shares(self.training.targets, len(self.labels))
        guesses = np.tile(self.head.logits(shares), (len(actual), 1))
        loss, _, known = self.head.figures(guesses, actual)
        guessing = loss / max(known, 1)
        if self.solved or self.best.val_loss <= _LEARNED * guessing:
            return ""
        return (
            f"The network learned nothing of use: its validation loss of {self.best.val_loss:.3g} "
            f"is not below the {guessing:.3g} of guessing by "
            f"{self.head.nouns[0]} frequencies. Lower "
            "train.learning_rate in params.yaml, for example to a tenth, or allow more epochs, "
            "then: dvc repro"
        )

    def headline(self) -> dict[str, Any]:
        """Return the content of ``metrics/train.json``: the metrics of the best epoch."""
        best = self.best
        return {
            "train_accuracy": best.train_accuracy,
            "val_accuracy": best.val_accuracy,
            "train_loss": best.train_loss,
            "val_loss": best.val_loss,
            **self._best_epoch,
        }

    @property
    def _best_epoch(self) -> dict[str, int]:
        """Number of the best epoch, by name; nothing for a solver."""
        return {} if self.solved else {"best_epoch": self.best.epoch}

    def metrics(self) -> dict[str, Any]:
        """Return the content of ``plots/train/full.json``."""
        return {
            **self.best.figures(),
            **self._best_epoch,
            **({} if self.solved else {"epochs": len(self.history)}),
            "parameters": self.parameters,
            "trainable": self.trainable,
            **fold_metrics(self.folds),
            "series_accuracy": self.series_accuracy,
            "learning_curve": None
            if self.learning_curve is None
            else self.learning_curve.figures(),
        }

    def record(self) -> dict[str, float]:
        """Return the metrics for the comparison of MLflow runs.

        Their names differ from those of curves.
        """
        best = {"best_val_accuracy": self.best.val_accuracy, "best_val_loss": self.best.val_loss}
        found: dict[str, float] = {**best, **self._best_epoch}
        if self.folds:
            found["folds_accuracy"] = float(np.mean([fold.accuracy for fold in self.folds]))
        return found

    @property
    def accuracy_text(self) -> str:
        """The accuracy on held-out images, with what it is of: it is not that of evaluate."""
        kind = "by cross-validation on" if self.cross_fitted else "on validation,"
        images = self.fitted_to if self.cross_fitted else self.validation
        text = f"{self.head.accuracy_name} {percent(self.best.val_accuracy)} {kind} {len(images):,} images"
        if self.series_accuracy is None:
            return text
        together = f"{percent(self.series_accuracy)} with each series in one fold"
        joint = "but" if self.series_accuracy < self.best.val_accuracy else "and"
        return f"{text}, {joint} {together} (split.group_by)"

    def summary(self) -> str:
        """Return the result in one line."""
        figures = f"{self.accuracy_text}, loss {self.best.val_loss:.3f}"
        if self.solved:
            return (
                f"{figures}; {self.trainable:,} trainable parameters, {len(self.history)} "
                "iterations"
            )
        epoch = f"best epoch {self.best.epoch} of {len(self.history)}"
        return f"{epoch}: {figures}; {self.parameters:,} parameters"


def train(
    folder: Path,
    params: TrainParams,
    *,
    head: Head = ONE_LABEL,
    classes: Sequence[str],
    root: Path = Path(),
    scratch: Path | None = None,
    callback: Callback | None = None,
) -> Trained:
    """Fit a classifier to the packed images, or reuse an earlier training with the same key.

    This fixes the number of threads for the rest of the process.

    Args:
        folder: ``artifacts/split``.
        params: The section ``train``.
        head: What the classifier answers. Default: one class.
        classes: The labels, in the order of the params.
        root: Project folder, to which a weights file is relative. Default: the current folder.
        scratch: Cache folder of trainings and features. Default: nothing is cached.
        callback: Hooks of the training and its folds. Default: none.

    Raises:
        ManifestError: The folder is incomplete, or was written for other classes.
        TrainError: The model does not fit the images or the memory, or the training diverged.
    """
    with open_training(
        folder, params, head=head, classes=classes, root=root, scratch=scratch, callback=callback
    ) as opened:
        data = opened.data
        fitter = opened.fitter
        images = data.training.join(data.validation)
        classifier, checkpoint, features, cross_fitted = opened.fit()
        results = []
        series_accuracy = None
        curve = None
        if cross_fitted:
            results = cross_fitted.results(images.targets, head)
        elif params.cross_validation:
            best = best_of(checkpoint.history, params.monitor).epoch
            folds = list(folds_of(images))
            results = [cross_validate(fitter, fold, data, best, len(folds)) for fold in folds]
        if isinstance(fitter, HeadFitter) and head.has_learning_curve:
            if params.kind.is_logistic and params.learning_curve == "auto":
                curve = _learning_curve(fitter, classifier, data, cross_fitted)
            if cross_fitted:
                series_accuracy = _series_accuracy(fitter, images, folder / SERIES_FILE)
    scorer: dict[str, Any] = {
        name: part for name, part in checkpoint.state.items() if name in Novelty._fields
    }
    return Trained(
        classifier=classifier,
        head=head,
        labels=tuple(classes),
        history=tuple(checkpoint.history),
        training=data.training,
        validation=data.validation,
        preprocessing=opened.preprocessing,
        monitor=params.monitor,
        folds=tuple(results),
        learning_curve=curve,
        features=features,
        cross_fitted=cross_fitted,
        series_accuracy=series_accuracy,
        novelty=Novelty(**scorer) if scorer else None,
    )


def _learning_curve(
    fitter: HeadFitter, classifier: keras.Model, data: FitData, cross_fitted: CrossFitted | None
) -> LearningCurve | None:
    """Return the curve, whose last point is the cross-fitted or validation predictions."""
    images = data.training.join(data.validation)
    predicted = np.full(len(images), -1)
    shared = fitted = len(data.training)
    if cross_fitted:
        known = cross_fitted.known
        predicted[known] = cross_fitted.probabilities[known].argmax(axis=1)
        shared = len(images)
        fitted = round(shared * (1 - 1 / len(cross_fitted.results(images.targets, fitter.head))))
    else:
        predicted[shared:] = fitter.predict(classifier, data.validation).argmax(axis=1)
    return learning_curve(
        images,
        predicted,
        fitter.labels,
        shared=shared,
        fitted=fitted,
        seed=fitter.params.seed,
        predict=fitter.predict_from(images),
    )


def _series_accuracy(fitter: HeadFitter, images: Part, path: Path) -> float | None:
    """Return the cross-validated accuracy with the folds of a file, in which series are whole.

    ``None`` without the file, or without an image that can be predicted.
    """
    if not path.exists():
        return None
    folds = np.array(read_json(path, stage="split")["folds"])
    predict = fitter.predict_from(images)
    right = [
        predict(rest, inside) == images.targets[inside]
        for rest, inside in divisions(folds, images.targets, fitter.head)
        if inside.size
    ]
    return float(np.concatenate(right).mean()) if right else None
