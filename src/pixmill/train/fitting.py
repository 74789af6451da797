"""The training loop with early stopping, and the base class of fitters."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.core.process.progress import Progress, announce
from pixmill.core.words import percent
from pixmill.heads import Head
from pixmill.images.parts import Part
from pixmill.metrics.arrays import Ints
from pixmill.models.layers import head_features
from pixmill.models.networks import build_classifier
from pixmill.models.scaling import Features
from pixmill.models.tensorflow import keras
from pixmill.train.checkpoints import Arrays, Checkpoint, Checkpoints
from pixmill.train.examples import examples_of
from pixmill.train.history import Callback, Epoch, Timing, best_of, is_over, learning_rate
from pixmill.train.steps import Trainer, epoch_order, feed

if TYPE_CHECKING:
    from pixmill.train.cross_fitting import CrossFitted

_BATCH_SIZE = 32
"""Images per batch of predictions."""

_REPORT_SECONDS = 1.0
"""Time between two progress updates of the loss, each of which waits for a step."""

_DIVERGED = 1000.0
"""A training loss above this multiple of guessing, in every epoch so far, ends the training.

Learning rates of 1 and more gave 10⁴ to 10²⁵ nats in the first epoch, and networks that predict one
class from then on.
"""


@dataclass(frozen=True)
class FitData:
    """The images of one fit, its checkpoints and its callback.

    Args:
        training: The training split.
        validation: The validation split, which determines early stopping and the best epoch.
        checkpoints: Storage of each epoch, from which a training resumes. Default: none.
        callback: Hooks of the training. Default: none.
        last_epoch: The epoch that ends the training, regardless of patience and time limit, and
            whose weights are kept; a logistic regression always runs to convergence. Default:
            determined by the params.
        title: Label of the progress bar.
        folds: Fold of each training image, then of each validation image, for cross-fitting a
            logistic regression; its head is then fitted to training and validation images. Default:
            fitted to the training split only.
        test: The test split, whose features are computed in the same pass for evaluation; its
            labels are not read. Default: none.
    """

    training: Part
    validation: Part
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    callback: Callback = field(default_factory=Callback)
    last_epoch: int | None = None
    title: str = "Train"
    folds: Ints | None = None
    test: Part | None = None


class Fitted(NamedTuple):
    """A fitted classifier, uncompiled.

    Args:
        classifier: The classifier, with the weights of the best epoch.
        checkpoint: Its finished training.
        features: Features of the validation split, if fitting needed them and it was not
            cross-fitted.
        cross_fitted: Held-out predictions of training and validation images; ``None`` if the
            classifier was fitted to the training split only.
    """

    classifier: keras.Model
    checkpoint: Checkpoint
    features: Features | None = None
    cross_fitted: CrossFitted | None = None


@dataclass(frozen=True)
class Fitter(ABC):
    """Fit classifiers of one kind.

    The order of the images and all randomness are functions of seed and epoch: equal inputs give
    equal weights, even if the training was interrupted and resumed.

    Args:
        params: The section ``train``.
        head: What the model answers.
        labels: Number of outputs.
        image_size: Side of the images in pixels.
        root: Project folder; weights files are relative to it, and its ``src`` contains plugins.
        scratch: Folder of the feature cache.
    """

    params: TrainParams
    head: Head
    labels: int
    image_size: int
    root: Path
    scratch: Path

    def build(self) -> keras.Model:
        """Return a fresh classifier."""
        return build_classifier(
            self.params,
            head=self.head,
            labels=self.labels,
            image_size=self.image_size,
            root=self.root,
        )

    @abstractmethod
    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier.

        Args:
            data: The images.

        Raises:
            TrainError: The weights of the backbone are missing, or the training diverged.
        """

    def novelty_features(self, training: Part, classifier: keras.Model) -> Features:
        """Return the features that the novelty is fitted to; shape (n, width).

        Args:
            training: Images of the training split.
            classifier: The fitted classifier.
        """
        graph = keras.Model(classifier.input, head_features(classifier))
        return _apply(graph, training)

    def predict(self, classifier: keras.Model, part: Part) -> Features:
        """Return uncalibrated probabilities of a fitted classifier; shape (images, labels).

        Args:
            classifier: The classifier.
            part: The images.
        """
        return _apply(classifier, part)

    def fit_network(self, network: keras.Model, data: FitData) -> Checkpoint:
        """Fit a network, set the weights of its best epoch, and return the finished training.

        Args:
            network: A fresh network from images or features to probabilities; it stays uncompiled.
            data: Inputs of the network.
        """
        params = self.params
        on_epoch_end = data.callback.on_epoch_end
        checkpoint = data.checkpoints.load() or Checkpoint([], [], {}, weights_of(network))
        history = checkpoint.history
        timings = checkpoint.timings
        best = checkpoint.best
        trainer = Trainer(
            network,
            params,
            examples_of(self.head, data.training.targets, params, self.labels),
            root=self.root,
        )
        epochs = data.last_epoch or params.epochs
        if history:
            trainer.restore(checkpoint.state)
            announce(f"{data.title.lower()}: resuming after epoch {len(history)} of {epochs}")
            for epoch, timing in zip(history, timings, strict=True):
                on_epoch_end(epoch, timing)

        def over() -> bool:
            seconds = sum(timing.seconds for timing in timings)
            return (
                len(history) >= epochs
                if data.last_epoch
                else is_over(history, params, seconds=seconds)
            )

        images = len(data.training) * (epochs - len(history))
        with Progress(data.title, images) as progress:
            while not over():
                epoch, timing = self._run_epoch(trainer, data, history, progress, epochs)
                history.append(epoch)
                timings.append(timing)
                if min(past.train_loss for past in history) > _DIVERGED * math.log(
                    max(2, self.labels)
                ):
                    raise _diverged(
                        f"{epoch.train_loss:.2g}", epoch.epoch, params, epoch.learning_rate or 0.0
                    )
                if best_of(history, params.monitor) is epoch:
                    best = weights_of(network)
                data.checkpoints.save(Checkpoint(history, timings, trainer.state(), best))
                on_epoch_end(epoch, timing)
        if data.last_epoch is None:
            network.set_weights(list(best.values()))
        return Checkpoint(history, timings, {}, weights_of(network), finished=True)

    def _run_epoch(
        self, trainer: Trainer, data: FitData, history: list[Epoch], progress: Progress, epochs: int
    ) -> tuple[Epoch, Timing]:
        """Train and validate the epoch after a history."""
        params = self.params
        number = len(history) + 1
        start = time.monotonic()
        steps = -(-len(data.training) // params.batch_size)
        order = epoch_order(len(data.training), seed=params.seed, epoch=number)
        rate = 0.0
        next_report = start
        note = title = f"epoch {number} of {epochs}"
        trainer.begin(number)
        for step, (pixels, targets) in enumerate(feed(data.training, params.batch_size, order)):
            rate = learning_rate(params, history, number, step, steps)
            trainer.train(pixels, targets, rate)
            if time.monotonic() >= next_report:
                loss = _finite(trainer.figures("train")[0], number, params, rate)
                note = f"{title}, loss {loss:.3f}"
                next_report = time.monotonic() + _REPORT_SECONDS
            progress.advance(len(targets), note)
        fitted = trainer.figures("train")
        _finite(fitted[0], number, params, rate)
        seconds = time.monotonic() - start
        for pixels, targets in feed(data.validation, params.batch_size):
            trainer.test(pixels, targets)
        validated = trainer.figures("test")
        _finite(validated[0], number, params, rate)
        progress.advance(0, f"{title}, validation accuracy {percent(validated[1])}")
        epoch = Epoch(number, *fitted, *validated, rate)
        return epoch, Timing(
            int(time.time() * 1000), time.monotonic() - start, len(data.training) / seconds
        )


class NetworkFitter(Fitter):
    """Fit a whole network, from scratch or with a fresh head on a backbone."""

    def fit(self, data: FitData) -> Fitted:
        """Fit a fresh classifier epoch by epoch."""
        classifier = self.build()
        return Fitted(classifier, self.fit_network(classifier, data))


def _apply(network: keras.Model, part: Part) -> Features:
    # Direct calls: `predict_on_batch` of several networks warns of retracing.
    batches = (pixels.astype(np.float32) for pixels, _ in feed(part, _BATCH_SIZE))
    answers = (network(batch, training=False) for batch in batches)
    return np.concatenate([np.asarray(each, np.float32) for each in answers])


def weights_of(classifier: keras.Model) -> Arrays:
    """Return the weights of a classifier by name, in the order of ``get_weights``."""
    return {f"{place:04}": weight for place, weight in enumerate(classifier.get_weights())}


def _finite(loss: float, epoch: int, params: TrainParams, rate: float) -> float:
    """Return a loss; raise TrainError if it is not finite."""
    if math.isfinite(loss):
        return loss
    raise _diverged("not finite", epoch, params, rate)


def _diverged(loss: str, epoch: int, params: TrainParams, rate: float) -> TrainError:
    return TrainError(
        f"training diverged: the loss is {loss} in epoch {epoch} (optimizer {params.optimizer}, "
        f"learning rate {rate:g})",
        next="lower train.learning_rate in params.yaml, for example to a tenth, or set "
        "train.clip_norm to 1, then: dvc repro",
    )
