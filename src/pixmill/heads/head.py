"""The interface of a head: from the labels of images to targets, and from logits to answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pixmill.core.cells import Task
from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints, NDArray
from pixmill.metrics.calibration import Calibration
from pixmill.metrics.cell_calibration import CellCalibration

Targets = NDArray[Any]
"""What images show, by image: class indices, shape (images,); or cells, shape (images, labels)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer about one image.

    Args:
        label: The answer as people read it: a class, labels, or that there are none.
        confidence: Probability that the answer is right, 0 to 1; of several labels, that of the
            least certain one.
        sure: Whether the promised accuracy holds for the answer; of several labels, for all.
            ``None`` if it is promised for none.
        labels: Answer by label; ``None`` if an image has one.
        sure_labels: Whether the promise holds, by label; ``None`` if an image has one.
    """

    label: str
    confidence: float
    sure: bool | None
    labels: Mapping[str, bool] | None = None
    sure_labels: Mapping[str, bool | None] | None = None


Calibrated = Calibration | CellCalibration
"""What turns uncalibrated probabilities into answers; a dataclass of JSON values."""


class Block(NamedTuple):
    """A block of images in one evaluation of the objective.

    Args:
        figures: Sums of loss, of right answers, and of what they are counted in, shape (3,).
        loss: Weighted loss; by output if outputs are separate.
        errors: Derivative of the weighted loss by the logits, shape (images, outputs).
    """

    figures: Floats
    loss: float | Floats
    errors: Floats


class Fit(ABC):
    """The loss of a linear model on the targets of one fit.

    Args:
        outputs: Indices of the outputs that are fitted; the others have no examples.
        absent: Logit of each output without examples, shape (labels,).
        separate: Whether the outputs do not depend on each other, so each is minimised by itself.
    """

    outputs: Ints
    absent: Floats
    separate: ClassVar[bool] = False

    @abstractmethod
    def penalise(self, kernel: Floats, c: float) -> tuple[float | Floats, Floats]:
        """Return the L2 penalty of a kernel, by output if they are separate, and its derivative.

        Args:
            kernel: Weights of scaled features, shape (features, fitted outputs).
            c: Inverse strength, as in scikit-learn's ``LogisticRegression``.
        """

    @abstractmethod
    def block(self, logits: Floats, rows: slice) -> Block:
        """Return loss and derivative for consecutive images.

        Args:
            logits: Shape (images, fitted outputs).
            rows: The images.
        """


class Head(ABC):
    """What a model answers, and how well.

    Args:
        task: Value of ``task`` in params.yaml.
        deciding_metric: Metric of ``metrics/evaluate.json`` that decides between two models; higher
            is better.
        accuracy_name: What :meth:`accuracy` is, in words.
        nouns: What an output is, and its plural.
        end: Activation of the last layer; ``None``: that of the network's params.
        is_exclusive: Whether an image has exactly one of the labels.
        has_learning_curve: Whether training also measures the gain from more images.
        calibration: The dataclass of its calibrations.
        fit: The loss on training images, from their targets, the number of outputs, and
            ``balanced``: whether classes, or yes and no of a label, have equal weight.
    """

    task: ClassVar[Task]
    deciding_metric: ClassVar[str]
    accuracy_name: ClassVar[str]
    nouns: ClassVar[tuple[str, str]]
    end: ClassVar[str | None]
    is_exclusive: ClassVar[bool]
    has_learning_curve: ClassVar[bool]
    calibration: ClassVar[type[Any]]
    fit: ClassVar[type[Any]]

    @abstractmethod
    def targets(self, texts: Iterable[Any], labels: Sequence[str]) -> Targets:
        """Return the targets of a table's column ``label``; when a stage loads images.

        Args:
            texts: The column.
            labels: The labels, in the order of the outputs.

        Raises:
            KeyError: A label is not among them.
        """

    @abstractmethod
    def right(self, texts: Iterable[Any], predicted: Iterable[Any], labels: Sequence[str]) -> Bools:
        """Return which answers are right; when tables are compared or shown.

        Args:
            texts: A table's column ``label``.
            predicted: Its column ``predicted``.
            labels: The labels that count.
        """

    def predictable(self, targets: Targets, fitted: Targets) -> Bools:  # noqa: ARG002 (classes need it)
        """Return which images a model can predict; when it is cross-fitted.

        Args:
            targets: Targets of the images.
            fitted: Targets of the images that the model is fitted to.
        """
        return np.ones(len(targets), bool)

    @abstractmethod
    def figures(self, logits: Floats, targets: Targets) -> Floats:
        """Return the figures of a :class:`Block`; when a fit is validated.

        Args:
            logits: Shape (images, labels).
            targets: Targets of the images.
        """

    @abstractmethod
    def shares(self, fitted: Targets, labels: int) -> Floats:
        """Return the share of each output in training images, above 0, even without any."""

    @abstractmethod
    def probabilities(self, logits: NDArray[Any]) -> Floats:
        """Return the probabilities of logits, in ``float64``; for every prediction."""

    @abstractmethod
    def logits(self, probabilities: NDArray[Any]) -> Floats:
        """Return finite logits of probabilities; when an exported model is loaded."""

    @abstractmethod
    def losses(self, actual: Targets, probabilities: ArrayLike) -> Floats:
        """Return the loss of each image in nats; unknown cells have none."""

    @abstractmethod
    def calibrate(
        self,
        probabilities: ArrayLike,
        targets: Targets,
        groups: ArrayLike,
        target: float,
        thresholds: Sequence[float],
        /,
    ) -> Calibrated:
        """Return the calibration of held-out predictions; when a training has ended.

        Args:
            probabilities: Uncalibrated, shape (images, labels).
            targets: Targets of the images.
            groups: Group of each image; near-duplicates share a group.
            target: Accuracy that sure answers should reach, > 0 and < 1.
            thresholds: Probability from which the answer is yes, by label, if an image has several.
        """

    @abstractmethod
    def answer(
        self,
        probabilities: Floats,
        labels: Sequence[str],
        calibration: Any,
        *,
        unlike: bool | None,
    ) -> Answer:
        """Return the answer about one image; for every prediction.

        Args:
            probabilities: Calibrated, shape (labels,).
            labels: The labels.
            calibration: The calibration of the model.
            unlike: Whether the image is unlike the training images; it is then never sure.
        """

    @abstractmethod
    def predicted(
        self, probabilities: NDArray[Any], labels: Sequence[str], calibration: Any
    ) -> NDArray[Any]:
        """Return the text of each answer for the column ``predicted``; when splits are predicted.

        Args:
            probabilities: Uncalibrated, shape (images, labels).
            labels: The labels.
            calibration: The calibration of the model.
        """

    @abstractmethod
    def decide(self, probabilities: NDArray[Any], calibration: Any) -> Targets:
        """Return answers in the form of targets; when an export is compared with its original.

        Args:
            probabilities: Calibrated, shape (images, labels).
            calibration: The calibration of the model.
        """

    @abstractmethod
    def labels_of(self, text: str) -> list[str]:
        """Return the labels that an image has; when images of a split are shown.

        Args:
            text: Of the column ``label``.
        """

    @abstractmethod
    def answers_of(self, text: str) -> list[str]:
        """Return the answers about an image, at least one; when a table of answers is shown.

        Args:
            text: Of the column ``predicted`` of a table of answers.
        """

    def flags(self, labels: Sequence[str]) -> list[str]:  # noqa: ARG002 (several labels need them)
        """Return the names of further columns of a table of answers, which are true or false."""
        return []

    def limits(
        self,
        content: Mapping[str, Any],  # noqa: ARG002 (of classes, none has its own)
        labels: Sequence[str],  # noqa: ARG002 (of classes, none has its own)
    ) -> dict[str, dict[str, float | None]] | None:
        """Return ``threshold``, ``sure_yes`` and ``sure_no`` by label; when a model is described.

        ``None`` if labels have no own ones.

        Args:
            content: Of ``calibration.json``.
            labels: The labels.
        """
        return None
