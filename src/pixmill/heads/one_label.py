"""One class an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pixmill.core.cells import to_indices
from pixmill.heads.head import Answer, Block, Fit, Head, Targets
from pixmill.metrics.arrays import ArrayLike, Bools, Floats, NDArray
from pixmill.metrics.calibration import Calibration, calibrate
from pixmill.metrics.probabilities import losses, softmax

_ABSENT_LOGIT = -100.0
"""The logit of a class without training images."""

_MIN_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Minimum probability in logarithms."""


def _logarithms(logits: Floats) -> Floats:
    """Return the logarithms of the probabilities."""
    from scipy.special import log_softmax

    logarithms: Floats = log_softmax(logits, axis=1)
    return logarithms


def _figures(logarithms: Floats, targets: Targets) -> Floats:
    losses = -logarithms[np.arange(len(targets)), targets]
    hits = (logarithms.argmax(axis=1) == targets).sum()
    return np.array([losses.sum(), hits, len(targets)], np.float64)


class _Softmax(Fit):
    """The mean cross-entropy of a linear softmax, over the classes with images."""

    def __init__(self, targets: Targets, labels: int, *, balanced: bool) -> None:
        counts = np.bincount(targets)
        self.outputs = np.flatnonzero(counts)
        self.absent = np.full(labels, _ABSENT_LOGIT)
        count = len(self.outputs)
        self._targets = targets
        # Weight of an image by its class; the sum over the images is 1.
        self._weights = (
            1 / (count * counts[self.outputs]) if balanced else np.full(count, 1 / len(targets))
        )

    def penalise(self, kernel: Floats, c: float) -> tuple[float, Floats]:
        """Return the penalty."""
        # For two classes, scikit-learn penalises only the difference, which equals twice the
        # penalty of both halves.
        penalty = (2 if len(self.outputs) == 2 else 1) / (c * len(self._targets))
        return 0.5 * penalty * float((kernel**2).sum()), penalty * kernel

    def block(self, logits: Floats, rows: slice) -> Block:
        """Return loss and derivative."""
        logarithms = _logarithms(logits)
        places = np.searchsorted(self.outputs, self._targets[rows])
        chosen = np.arange(len(places))
        weights = self._weights[places]
        errors = np.exp(logarithms)
        errors[chosen, places] -= 1
        errors *= weights[:, None]
        loss = -float(weights @ logarithms[chosen, places])
        return Block(_figures(logarithms, places), loss, errors)


class OneLabel(Head):
    """One class an image, by softmax."""

    task = "one_label"
    deciding_metric = "accuracy"
    accuracy_name = "accuracy"
    nouns = ("class", "classes")
    end = None
    is_exclusive = True
    has_learning_curve = True
    calibration = Calibration
    fit = _Softmax
    targets = staticmethod(to_indices)
    probabilities = staticmethod(softmax)
    losses = staticmethod(losses)

    def right(self, texts: Iterable[Any], predicted: Iterable[Any], labels: Sequence[str]) -> Bools:  # noqa: ARG002 (others have several)
        """Return which classes are right."""
        return np.asarray(np.array([*texts], object) == np.array([*predicted], object), bool)

    def predictable(self, targets: Targets, fitted: Targets) -> Bools:
        """Return which images are of a class that the model is fitted to."""
        return np.isin(targets, fitted)

    def figures(self, logits: Floats, targets: Targets) -> Floats:
        """Return sums of loss, correct predictions and images."""
        return _figures(_logarithms(logits), targets)

    def shares(self, fitted: Targets, labels: int) -> Floats:
        """Return the class frequencies."""
        counts = np.maximum(1, np.bincount(fitted, minlength=labels))
        shares: Floats = counts / counts.sum()
        return shares

    def logits(self, probabilities: NDArray[Any]) -> Floats:
        """Return the logarithms."""
        found: Floats = np.log(np.maximum(probabilities, _MIN_PROBABILITY))
        return found

    def calibrate(
        self,
        probabilities: ArrayLike,
        targets: Targets,
        groups: ArrayLike,
        target: float,
        thresholds: Sequence[float],  # noqa: ARG002 (several labels need them)
    ) -> Calibration:
        """Return temperature and threshold."""
        return calibrate(probabilities, targets, groups, target)

    def answer(
        self,
        probabilities: Floats,
        labels: Sequence[str],
        calibration: Calibration,
        *,
        unlike: bool | None,
    ) -> Answer:
        """Return the most probable class; on a tie, the first."""
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return Answer(labels[best], confidence, calibration.is_sure(confidence, unlike=unlike))

    def predicted(
        self,
        probabilities: NDArray[Any],
        labels: Sequence[str],
        calibration: Calibration,
    ) -> NDArray[Any]:
        """Return the most probable class of each image."""
        return np.asarray(labels, object)[self.decide(probabilities, calibration)]

    def decide(self, probabilities: NDArray[Any], calibration: Calibration) -> Targets:  # noqa: ARG002 (a class needs no threshold)
        """Return the index of the most probable class of each image."""
        best: Targets = probabilities.argmax(axis=1)
        return best

    def labels_of(self, text: str) -> list[str]:
        """Return the class."""
        return [text]

    answers_of = labels_of
