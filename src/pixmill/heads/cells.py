"""Yes or no for each label of an image, or unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pixmill.core.cells import (
    NO,
    NONE,
    UNKNOWN,
    YES,
    read_list,
    show_labels,
    to_matrix,
    to_texts,
    yes_labels,
)
from pixmill.heads.head import Answer, Block, Fit, Head, Targets
from pixmill.metrics.arrays import ArrayLike, Bools, Floats, NDArray
from pixmill.metrics.cell_calibration import CellCalibration, calibrate_cells
from pixmill.metrics.cells import cell_losses


def _shares(targets: Targets) -> Floats:
    """Return each label's share of yes among known cells, between 0 and 1 even without any."""
    yes = (targets == YES).sum(axis=0)
    known = (targets != UNKNOWN).sum(axis=0)
    share: Floats = (yes + 0.5) / (known + 1)
    return share


def _logistic_losses(logits: Floats, yes: Bools) -> Floats:
    return np.logaddexp(0, np.where(yes, -logits, logits))


def _figures(losses: Floats, logits: Floats, targets: Targets) -> Floats:
    known = targets != UNKNOWN
    right = ((logits >= 0) == (targets == YES))[known].sum()
    return np.array([losses[known].sum(), right, known.sum()], np.float64)


class _Sigmoids(Fit):
    """The mean binary cross-entropy of each label over its known cells, and their sum.

    Each label's share of the objective is that of scikit-learn's ``LogisticRegression`` on the
    images whose cell is known, so fitting all at once gives the same models. Labels without a yes
    or without a no are not fitted.
    """

    separate = True

    def __init__(self, targets: Targets, labels: int, *, balanced: bool) -> None:  # noqa: ARG002 (targets have it)
        from scipy.special import logit

        counts = np.stack([(targets == NO).sum(axis=0), (targets == YES).sum(axis=0)])
        self.outputs = np.flatnonzero(counts.all(axis=0))
        self.absent = logit(_shares(targets))
        self._targets = targets[:, self.outputs]
        self._known = counts[:, self.outputs].sum(axis=0)
        # Weights of a no and of a yes by label; those of a label sum to 1.
        each = counts[:, self.outputs]
        self._weights = 1 / (2 * each) if balanced else 1 / np.stack([self._known] * 2)

    def penalise(self, kernel: Floats, c: float) -> tuple[Floats, Floats]:
        """Return the penalty."""
        slope = kernel / (c * self._known)
        return 0.5 * (kernel * slope).sum(axis=0), slope

    def block(self, logits: Floats, rows: slice) -> Block:
        """Return loss and derivative."""
        from scipy.special import expit

        targets = self._targets[rows]
        yes = targets == YES
        weights = np.where(yes, self._weights[1], self._weights[0])
        weights[targets == UNKNOWN] = 0
        losses = _logistic_losses(logits, yes)
        errors = (expit(logits) - yes) * weights
        return Block(_figures(losses, logits, targets), (losses * weights).sum(axis=0), errors)


class CellsHead(Head):
    """Yes or no for each label, by sigmoid; unknown cells have no weight."""

    task = "labels"
    deciding_metric = "mean_average_precision"
    accuracy_name = "share of labels right"
    nouns = ("label", "labels")
    end = "sigmoid"
    is_exclusive = False
    has_learning_curve = False
    calibration = CellCalibration
    fit = _Sigmoids
    targets = staticmethod(to_matrix)
    calibrate = staticmethod(calibrate_cells)

    def right(self, texts: Iterable[Any], predicted: Iterable[Any], labels: Sequence[str]) -> Bools:
        """Return which images' known cells are all right."""
        cells = to_matrix(texts, labels)
        said = to_matrix(predicted, labels) == YES
        found: Bools = ((cells == UNKNOWN) | (said == (cells == YES))).all(axis=1)
        return found

    def figures(self, logits: Floats, targets: Targets) -> Floats:
        """Return sums of loss, of cells that are right at one half, and of known cells."""
        return _figures(_logistic_losses(logits, targets == YES), logits, targets)

    def shares(self, fitted: Targets, labels: int) -> Floats:  # noqa: ARG002 (targets have it)
        """Return each label's share of yes."""
        return _shares(fitted)

    def probabilities(self, logits: NDArray[Any]) -> Floats:
        """Return the sigmoid of each logit."""
        from scipy.special import expit

        found: Floats = expit(np.asarray(logits, np.float64))
        return found

    def logits(self, probabilities: NDArray[Any]) -> Floats:
        """Return the logarithm of the odds."""
        from scipy.special import logit

        # A float32 has 24 bits.
        found: Floats = logit(np.clip(np.asarray(probabilities, np.float64), 2**-126, 1 - 2**-25))
        return found

    def losses(self, actual: Targets, probabilities: ArrayLike) -> Floats:
        """Return the mean loss of each image's known cells; 0 without any."""
        losses = cell_losses(actual, probabilities)
        known = np.maximum(1, (actual != UNKNOWN).sum(axis=1))
        mean: Floats = losses.sum(axis=1) / known
        return mean

    def answer(
        self,
        probabilities: Floats,
        labels: Sequence[str],
        calibration: CellCalibration,
        *,
        unlike: bool | None,
    ) -> Answer:
        """Return yes or no for each label."""
        yes = calibration.answers(probabilities)
        sure, promised = calibration.sure(probabilities, bool(unlike))
        certainty = np.where(yes, probabilities, 1 - probabilities)
        return Answer(
            show_labels([label for label, has in zip(labels, yes, strict=True) if has]),
            float(certainty.min()),
            bool(sure.all()) if promised.any() else None,
            dict(zip(labels, yes.tolist(), strict=True)),
            {
                label: each if has else None
                for label, each, has in zip(labels, sure.tolist(), promised, strict=True)
            },
        )

    def predicted(
        self, probabilities: NDArray[Any], labels: Sequence[str], calibration: CellCalibration
    ) -> NDArray[Any]:
        """Return the cells of each answer that are yes."""
        yes = calibration.answers(calibration.apply(probabilities))
        return np.array(to_texts(np.where(yes, YES, UNKNOWN), labels), object)

    def decide(self, probabilities: NDArray[Any], calibration: CellCalibration) -> Targets:
        """Return the cells, all of them known."""
        return calibration.answers(probabilities).astype(np.int8)

    def labels_of(self, text: str) -> list[str]:
        """Return the labels whose cell is yes."""
        return yes_labels(text)

    def answers_of(self, text: str) -> list[str]:
        """Return the labels, or that there are none."""
        return read_list(text) or [NONE]

    def flags(self, labels: Sequence[str]) -> list[str]:
        """Return ``yes_<label>`` and ``sure_<label>`` for each label."""
        return [f"{kind}_{label}" for label in labels for kind in ("yes", "sure")]

    def limits(
        self, content: Mapping[str, Any], labels: Sequence[str]
    ) -> dict[str, dict[str, float | None]]:
        """Return those of each label."""
        columns = {"threshold": "thresholds", "sure_yes": "sure_yes", "sure_no": "sure_no"}
        return {
            label: {name: content[column][place] for name, column in columns.items()}
            for place, label in enumerate(labels)
        }
