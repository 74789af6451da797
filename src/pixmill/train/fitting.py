"""The training loop, with early stopping."""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.core.progress import Progress, announce
from pixmill.images.parts import Part
from pixmill.learn.precision import Precision, has_bfloat16
from pixmill.learn.tensorflow import keras
from pixmill.train.checkpoints import Arrays, Checkpoint, Checkpoints, OnEpoch
from pixmill.train.history import Epoch, Timing, best_of, is_over, learning_rate
from pixmill.train.interruption import Interruption
from pixmill.train.steps import Trainer, balanced_weights, epoch_order, feed

_REPORT_EVERY = 1.0
"""Seconds between two progress updates of the loss, each of which waits for a step."""

_MEASURED = 8
"""Steps that are timed per precision; the first ones compile, and the fastest one counts."""

_WORTH = 1.1
"""Minimum speed-up to choose bfloat16, since float32 is more precise."""


def fit(
    classifier: keras.Model,
    training: Part,
    validation: Part,
    params: TrainParams,
    *,
    root: Path | None = None,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda *_: None,
    until: int | None = None,
    what: str = "Train",
) -> Checkpoint:
    """Fit a classifier and leave it with the weights of its best epoch.

    The order of the images and all randomness follow from seed and epoch, so equal inputs give equal weights, even if
    the training was interrupted and resumed.

    Args:
        classifier: A fresh classifier, within the scope of its strategy; it stays uncompiled.
        training: The training split.
        validation: The validation split, used for early stopping and to choose the best epoch.
        params: The section ``train``.
        root: The project folder, whose ``src`` holds an augmentation of its own; default: the current one.
        checkpoints: Where each epoch is saved and from where a training resumes; default: nowhere.
        on_epoch: Called after each epoch, also for those of the checkpoint; default: nothing.
        until: The last epoch, regardless of patience and time limit; the classifier keeps that epoch's weights.
            Default: as the params say.
        what: Label of the progress bar.

    Returns:
        The finished training, which is not saved yet.

    Raises:
        TrainError: The loss is not finite.
        Interrupted: SIGINT or SIGTERM arrived; the last complete epoch is kept.
    """
    labels = int(classifier.output_shape[-1])
    kept = checkpoints.load() if checkpoints else None
    if kept is None:
        precision = choose_precision(classifier, params, training, labels=labels, root=root)
        kept = Checkpoint([], [], {}, weights_of(classifier), precision)
    history, timings, best = kept.history, kept.timings, kept.best
    balanced = balanced_weights(training.targets, labels) if params.class_weights else None
    trainer = Trainer(classifier, params, labels=labels, class_weights=balanced, precision=kept.precision, root=root)
    most = until or params.epochs
    if history:
        trainer.restore(kept.state)
        announce(f"{what.lower()}: resuming after epoch {len(history)} of {most}")
        for epoch, timing in zip(history, timings, strict=True):
            on_epoch(epoch, timing)

    def over() -> bool:
        seconds = sum(timing.seconds for timing in timings)
        return len(history) >= until if until else is_over(history, params, seconds=seconds)

    with Interruption() as interruption, Progress(what, len(training) * (most - len(history))) as progress:
        while not over():
            epoch, timing = _epoch(trainer, training, validation, params, history, interruption, progress, most)
            history.append(epoch)
            timings.append(timing)
            if best_of(history, params.monitor) is epoch:
                best = weights_of(classifier)
            if checkpoints:
                checkpoints.save(Checkpoint(history, timings, trainer.state(), best, kept.precision))
            on_epoch(epoch, timing)
            interruption.check(epoch.epoch + 1)
    if until is None:
        classifier.set_weights(list(best.values()))
    return Checkpoint(history, timings, {}, weights_of(classifier), kept.precision, finished=True)


def _epoch(
    trainer: Trainer,
    training: Part,
    validation: Part,
    params: TrainParams,
    history: list[Epoch],
    interruption: Interruption,
    progress: Progress,
    most: int,
) -> tuple[Epoch, Timing]:
    number, began = len(history) + 1, time.monotonic()
    steps = -(-len(training) // params.batch_size)
    order = epoch_order(len(training), seed=params.seed, epoch=number)
    rate, note, due = 0.0, f"epoch {number} of {most}", began
    trainer.begin(number)
    for step, (pixels, targets) in enumerate(feed(training, params.batch_size, order)):
        rate = learning_rate(params, history, number, step, steps)
        trainer.train(pixels, targets, rate)
        interruption.check(number)
        if time.monotonic() >= due:
            loss = _finite(trainer.figures("train")["loss"], number, params, rate)
            note, due = f"epoch {number} of {most}, loss {loss:.3f}", time.monotonic() + _REPORT_EVERY
        progress.advance(len(targets), note)
    fitted = trainer.figures("train")
    _finite(fitted["loss"], number, params, rate)
    trained = time.monotonic() - began
    for pixels, targets in feed(validation, params.batch_size):
        trainer.test(pixels, targets)
        interruption.check(number)
    validated = trainer.figures("test")
    _finite(validated["loss"], number, params, rate)
    progress.advance(0, f"epoch {number} of {most}, validation accuracy {100 * validated['accuracy']:.1f} %")
    epoch = Epoch(
        number,
        train_loss=fitted["loss"],
        train_accuracy=fitted["accuracy"],
        val_loss=validated["loss"],
        val_accuracy=validated["accuracy"],
        learning_rate=rate,
    )
    return epoch, Timing(int(time.time() * 1000), time.monotonic() - began, len(training) / trained)


def weights_of(classifier: keras.Model) -> Arrays:
    """Return the weights of a classifier in the order of ``get_weights``, by name."""
    return {f"{place:04}": weight for place, weight in enumerate(classifier.get_weights())}


def choose_precision(
    classifier: keras.Model, params: TrainParams, training: Part, *, labels: int, root: Path | None = None
) -> Precision:
    """Return the precision that params name, or the faster one for ``auto``.

    Each precision is timed for a few steps on a real batch, and the times are printed; the classifier's weights are
    restored afterwards. If this device does not support bfloat16, nothing is measured.

    Args:
        classifier: The classifier to fit, within the scope of its strategy.
        params: The section ``train``.
        training: The images.
        labels: How many classes there are.
        root: As for :func:`fit`.
    """
    if params.precision != "auto":
        return params.precision
    if not has_bfloat16():
        return "float32"
    pixels, targets = next(feed(training, params.batch_size))
    before = classifier.get_weights()

    def seconds(precision: Precision) -> float:
        trainer = Trainer(classifier, params, labels=labels, precision=precision, root=root)
        times = [time.perf_counter()]
        for _ in range(_MEASURED):
            float(trainer.train(pixels, targets, 0.0)["loss"])
            times.append(time.perf_counter())
        return min(end - start for start, end in itertools.pairwise(times))

    exact, short = seconds("float32"), seconds("bfloat16")
    classifier.set_weights(before)
    announce(f"train: a step takes {1000 * exact:.1f} ms with float32, {1000 * short:.1f} ms with bfloat16")
    return "bfloat16" if exact >= _WORTH * short else "float32"


def _finite(loss: float, epoch: int, params: TrainParams, rate: float) -> float:
    """Return a loss if it is finite."""
    if math.isfinite(loss):
        return loss
    advice = ["lower train.learning_rate in params.yaml, for example to a tenth"]
    if params.clip_norm is None:
        advice.append("set train.clip_norm to 1")
    if params.precision != "float32":
        advice.append("set train.precision to float32")
    raise TrainError(
        f"training diverged: the loss is not finite in epoch {epoch} (optimizer {params.optimizer}, "
        f"learning rate {rate:g})",
        next=f"{', or '.join(advice)}, then: dvc repro",
    )
