"""How a model is fitted: the training loop with early stopping, and what all kinds of models have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.core.process.progress import Progress, announce
from pixmill.images.parts import Part
from pixmill.models.heads import head_features
from pixmill.models.layers import last_features
from pixmill.models.networks import build_classifier
from pixmill.models.scaling import Features
from pixmill.models.tensorflow import keras
from pixmill.train.callback import Callback
from pixmill.train.checkpoints import Arrays, Checkpoint, Checkpoints
from pixmill.train.history import Epoch, Timing, best_of, is_over, learning_rate
from pixmill.train.steps import Trainer, balanced_weights, epoch_order, feed

_BATCH = 32
"""Images per batch of predictions."""

_REPORT_EVERY = 1.0
"""Seconds between two progress updates of the loss, each of which waits for a step."""


@dataclass(frozen=True)
class FitData:
    """The images of one fit, and what follows it.

    Args:
        training: The training split.
        validation: The validation split, used for early stopping and to choose the best epoch.
        checkpoints: Where each epoch is saved and from where a training resumes; default: nowhere.
        callback: Follows the training; default: nothing.
        until: The last epoch, regardless of patience and time limit, whose weights are kept; a logistic regression
            always runs to convergence. Default: as the params say.
        what: Label of the progress bar.
        test: The test split, whose features evaluation needs, so that one pass computes those of all splits; its labels
            are not read. Default: none.
    """

    training: Part
    validation: Part
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    callback: Callback = field(default_factory=Callback)
    until: int | None = None
    what: str = "Train"
    test: Part | None = None


class Fitted(NamedTuple):
    """A fitted classifier, uncompiled; its finished training, which is not saved yet; and the validation's features."""

    classifier: keras.Model
    checkpoint: Checkpoint
    features: Features | None = None


@dataclass(frozen=True)
class Fitter(ABC):
    """Fit classifiers of one kind, in the project whose files the params name.

    The order of the images and all randomness follow from seed and epoch, so equal inputs give equal weights, even if
    the training was interrupted and resumed.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        image_size: Side of the images in pixels.
        root: The project folder, to which a weights file is relative, and whose ``src`` holds plugins.
        scratch: Folder of the feature cache.
    """

    params: TrainParams
    labels: int
    image_size: int
    root: Path
    scratch: Path

    def build(self) -> keras.Model:
        """Return a fresh classifier."""
        return build_classifier(self.params, labels=self.labels, image_size=self.image_size, root=self.root)

    @abstractmethod
    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier.

        Args:
            data: The images.

        Raises:
            TrainError: The backbone's weights are not available, or the loss is not finite.
        """

    def novelty_features(self, training: Part, classifier: keras.Model) -> Features:
        """Return the features of images by which the novelty of others is judged; shape (n, width).

        Args:
            training: Images of the training split.
            classifier: The fitted classifier.
        """
        graph, batches = (
            keras.Model(classifier.input, last_features(head_features(classifier))),
            training.batches(_BATCH),
        )
        return np.concatenate([np.asarray(graph(pixels, training=False), np.float32) for pixels, _ in batches])

    def answer(self, classifier: keras.Model, part: Part) -> npt.NDArray[np.float32]:
        """Return a fitted classifier's probabilities for images, before calibration; shape (images, labels).

        Args:
            classifier: The classifier.
            part: The images.
        """
        # Called directly: `predict_on_batch` of one network after the other warns of retracing.
        batches = part.batches(_BATCH)
        return np.concatenate([np.asarray(classifier(pixels, training=False), np.float32) for pixels, _ in batches])

    def fit_network(self, network: keras.Model, data: FitData) -> Checkpoint:
        """Fit a network epoch by epoch, leave it with the weights of its best one, and return its finished training.

        Args:
            network: A fresh network from images, or from features, to probabilities; it stays uncompiled.
            data: Its inputs.
        """
        params, on_epoch_end = self.params, data.callback.on_epoch_end
        kept = data.checkpoints.load()
        if kept is None:
            kept = Checkpoint([], [], {}, weights_of(network))
        history, timings, best = kept.history, kept.timings, kept.best
        weights = balanced_weights(data.training.targets, self.labels) if params.class_weights else None
        trainer = Trainer(network, params, labels=self.labels, class_weights=weights, root=self.root)
        most = data.until or params.epochs
        if history:
            trainer.restore(kept.state)
            announce(f"{data.what.lower()}: resuming after epoch {len(history)} of {most}")
            for epoch, timing in zip(history, timings, strict=True):
                on_epoch_end(epoch, timing)

        def over() -> bool:
            seconds = sum(timing.seconds for timing in timings)
            return len(history) >= data.until if data.until else is_over(history, params, seconds=seconds)

        images = len(data.training) * (most - len(history))
        with Progress(data.what, images) as progress:
            while not over():
                epoch, timing = self._run_epoch(trainer, data, history, progress, f"of {most}")
                history.append(epoch)
                timings.append(timing)
                if best_of(history, params.monitor) is epoch:
                    best = weights_of(network)
                data.checkpoints.save(Checkpoint(history, timings, trainer.state(), best))
                on_epoch_end(epoch, timing)
        if data.until is None:
            network.set_weights(list(best.values()))
        return Checkpoint(history, timings, {}, weights_of(network), finished=True)

    def _run_epoch(
        self, trainer: Trainer, data: FitData, history: list[Epoch], progress: Progress, of: str
    ) -> tuple[Epoch, Timing]:
        """Train and validate once, after the epochs of a history."""
        params = self.params
        number, began = len(history) + 1, time.monotonic()
        steps = -(-len(data.training) // params.batch_size)
        order = epoch_order(len(data.training), seed=params.seed, epoch=number)
        rate, title, due = 0.0, f"epoch {number} {of}", began
        note = title
        trainer.begin(number)
        for step, (pixels, targets) in enumerate(feed(data.training, params.batch_size, order)):
            rate = learning_rate(params, history, number, step, steps)
            trainer.train(pixels, targets, rate)
            if time.monotonic() >= due:
                loss = _finite(trainer.figures("train")["loss"], number, params, rate)
                note, due = f"{title}, loss {loss:.3f}", time.monotonic() + _REPORT_EVERY
            progress.advance(len(targets), note)
        fitted = trainer.figures("train")
        _finite(fitted["loss"], number, params, rate)
        trained = time.monotonic() - began
        for pixels, targets in feed(data.validation, params.batch_size):
            trainer.test(pixels, targets)
        validated = trainer.figures("test")
        _finite(validated["loss"], number, params, rate)
        progress.advance(0, f"{title}, validation accuracy {100 * validated['accuracy']:.1f} %")
        epoch = Epoch(
            number,
            train_loss=fitted["loss"],
            train_accuracy=fitted["accuracy"],
            val_loss=validated["loss"],
            val_accuracy=validated["accuracy"],
            learning_rate=rate,
        )
        return epoch, Timing(int(time.time() * 1000), time.monotonic() - began, len(data.training) / trained)


class NetworkFitter(Fitter):
    """Fit a whole network, from its fresh head or from scratch."""

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier epoch by epoch."""
        classifier = self.build()
        return Fitted(classifier, self.fit_network(classifier, data))


def weights_of(classifier: keras.Model) -> Arrays:
    """Return the weights of a classifier in the order of ``get_weights``, by name."""
    return {f"{place:04}": weight for place, weight in enumerate(classifier.get_weights())}


def _finite(loss: float, epoch: int, params: TrainParams, rate: float) -> float:
    """Return a loss if it is finite."""
    if math.isfinite(loss):
        return loss
    raise TrainError(
        f"training diverged: the loss is not finite in epoch {epoch} (optimizer {params.optimizer}, "
        f"learning rate {rate:g})",
        next="lower train.learning_rate in params.yaml, for example to a tenth, or set train.clip_norm to 1, then: "
        "dvc repro",
    )
