"""Epochs until it gets no better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pixmill.errors import TrainError
from pixmill.params import TrainParams
from pixmill.parts import Part
from pixmill.progress import Progress, announce
from pixmill.train.checkpoint import Arrays, Checkpoints
from pixmill.train.feeding import epoch_order, feed
from pixmill.train.history import Epoch, Timing, best_of, is_over
from pixmill.train.interruption import Interruption
from pixmill.train.precision import Choice, choose_precision
from pixmill.train.schedule import rate
from pixmill.train.steps import Trainer, balanced_weights

if TYPE_CHECKING:
    import keras

__all__ = ["OnEpoch", "fit"]

_TELL_EVERY = 1.0
"""Seconds between two looks at the loss."""

OnEpoch = Callable[[Epoch, Timing], None]
"""What is called after each epoch, also after those of a training that goes on."""


def fit(
    classifier: keras.Model,
    training: Part,
    validation: Part,
    params: TrainParams,
    *,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda *_: None,
    on_choice: Callable[[Choice], None] = lambda _: None,
    until: int | None = None,
    what: str = "Train",
) -> list[Epoch]:
    """Fit a classifier and leave it with the weights of its best epoch.

    The order of the pictures and all that is random follow from seed and epoch, so equal inputs give equal weights,
    whether the training was killed in between or not.

    Args:
        classifier: A fresh classifier, within the scope of its strategy; it stays uncompiled.
        training: What it learns from.
        validation: What tells when it gets no better.
        params: The section ``train``.
        checkpoints: Where each epoch is kept, and what a killed training goes on from; default: nowhere.
        on_epoch: Called after each epoch, also after those that were kept; default: nothing.
        on_choice: Called with the precision, and what was seen where it was measured; default: nothing.
        until: The epoch that it ends with, whatever the params say of patience and time; it is left with that one's
            weights. Default: what the params say.
        what: What the progress is called.

    Returns:
        The figures of each epoch.

    Raises:
        TrainError: The loss is no number any more.
        Interrupted: SIGINT or SIGTERM came; the last whole epoch is kept.
    """
    kept = checkpoints.load() if checkpoints else None
    history, timings = (kept.history, kept.timings) if kept else ([], [])
    best = kept.best if kept else _weights(classifier)
    labels = int(classifier.output_shape[-1])
    choice = Choice(kept.precision, {}) if kept else choose_precision(classifier, params, training, labels=labels)
    if choice.rates:
        announce(f"{what.lower()}: {choice.summary()}")
    on_choice(choice)
    balanced = balanced_weights(training.targets, labels) if params.class_weights else None
    trainer = Trainer(classifier, params, labels=labels, class_weights=balanced, precision=choice.precision)
    most = until or params.epochs
    if kept:
        trainer.restore(dict(kept.state))
        announce(f"{what.lower()}: goes on from epoch {len(history)} of {most}")
        for one, timing in zip(history, timings, strict=True):
            on_epoch(one, timing)
    with Interruption() as interruption, _Show(what, len(training), len(history), most) as show:
        while not _is_over(history, timings, params, until):
            one, timing = _epoch(trainer, training, validation, params, history, interruption, show)
            history.append(one)
            timings.append(timing)
            is_best = best_of(history, params.monitor) is one
            if is_best:
                best = _weights(classifier)
            if checkpoints:
                checkpoints.save(
                    history,
                    timings,
                    state=trainer.state(),
                    best=best if is_best else None,
                    precision=choice.precision,
                )
            on_epoch(one, timing)
            interruption.check(one.epoch + 1)
    if until is None:
        classifier.set_weights(list(best.values()))
    return history


def _is_over(history: list[Epoch], timings: list[Timing], params: TrainParams, until: int | None) -> bool:
    if until is not None:
        return len(history) >= until
    return is_over(
        history,
        epochs=params.epochs,
        patience=params.patience,
        monitor=params.monitor,
        minutes=params.minutes,
        seconds=sum(timing.seconds for timing in timings),
    )


def _epoch(
    trainer: Trainer,
    training: Part,
    validation: Part,
    params: TrainParams,
    history: list[Epoch],
    interruption: Interruption,
    show: _Show,
) -> tuple[Epoch, Timing]:
    number, began = len(history) + 1, time.monotonic()
    steps = -(-len(training) // params.batch_size)
    order = epoch_order(len(training), seed=params.seed, epoch=number)
    used = 0.0
    trainer.begin(number)
    for step, (pixels, targets) in enumerate(feed(training, params.batch_size, order)):
        used = rate(params, history, number, step, steps)
        trainer.train(pixels, targets, used)
        interruption.check(number)
        if show.step(len(targets)):
            # To ask for the loss waits for the step: not each time.
            loss = _number(trainer.fitted()["loss"], number, params, used)
            show.tell(f"epoch {number} of {show.most}, loss {loss:.3f}")
    fitted = trainer.fitted()
    _number(fitted["loss"], number, params, used)
    trained = time.monotonic() - began
    for pixels, targets in feed(validation, params.batch_size):
        trainer.test(pixels, targets)
        interruption.check(number)
    checked = trainer.checked()
    _number(checked["loss"], number, params, used)
    show.tell(f"epoch {number} of {show.most}, validation accuracy {checked['accuracy']:.3f}")
    one = Epoch(
        number,
        train_loss=fitted["loss"],
        train_accuracy=fitted["accuracy"],
        val_loss=checked["loss"],
        val_accuracy=checked["accuracy"],
        learning_rate=used,
    )
    return one, Timing(int(time.time() * 1000), time.monotonic() - began, len(training) / trained)


def _weights(classifier: keras.Model) -> Arrays:
    return {f"{place:04}": weight for place, weight in enumerate(classifier.get_weights())}


def _number(loss: float, epoch: int, params: TrainParams, used: float) -> float:
    """Return a loss that is a number."""
    if math.isfinite(loss):
        return loss
    advice = ["lower train.learning_rate in params.yaml, by ten to begin with"]
    if params.clip_norm is None:
        advice.append("set train.clip_norm to 1")
    if params.precision != "float32":
        advice.append("set train.precision to float32")
    raise TrainError(
        f"the loss is not a number any more in epoch {epoch} (optimizer {params.optimizer}, learning rate {used:g})",
        next=f"{', or '.join(advice)}, then: dvc repro",
    )


class _Show(Progress):
    """Show how good it is, how fast it goes and how long it may take yet.

    Args:
        what: What is being done.
        epoch: Pictures in an epoch.
        done: Epochs that were there before.
        most: The most epochs there are.
    """

    def __init__(self, what: str, epoch: int, done: int, most: int) -> None:
        super().__init__(what, epoch * (most - done))
        self.most = most
        self._began: float | None = None
        self._before = 0
        self._told = time.monotonic()

    def step(self, count: int) -> bool:
        """Add the pictures of a step, and tell whether it is time to say how good it is.

        Args:
            count: Pictures.
        """
        self.advance(count, self._note)
        now = time.monotonic()
        if self._began is None:
            # The first step builds the graph: it says nothing of those that follow.
            self._began, self._before = now, self.done
            return True
        return now - self._told >= _TELL_EVERY

    def tell(self, text: str) -> None:
        """Show a few words, with the speed and the time that is left.

        Args:
            text: The words.
        """
        self._told = time.monotonic()
        passed = self._told - (self._began or self._told)
        if passed >= _TELL_EVERY and self.done > self._before:
            speed = (self.done - self._before) / passed
            left = ((self.total or 0) - self.done) / speed
            text += f", {speed:.0f} pictures/s, at most {_duration(left)} left"
        self.advance(0, text)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
