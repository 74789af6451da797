"""Evaluation of a classifier with several labels an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pixmill.core.manifest import sample_rows
from pixmill.core.params import EvaluateParams
from pixmill.core.words import percent
from pixmill.evaluate.cells.doubtful import doubtful_cells
from pixmill.evaluate.cells.errors import count_errors, find_errors
from pixmill.evaluate.cells.measure import measure_cells
from pixmill.evaluate.labels import first_issues, with_pixels
from pixmill.evaluate.mistakes import nearest_to_errors
from pixmill.evaluate.predictions import Predicted, apply_calibration
from pixmill.evaluate.results import Images, Results

_MAX_SAMPLE = 24
_MAX_UNLIKE = 12
_MAX_PER_LABEL = 6
"""Images shown at random, as unlike the training images, and per label and kind of error."""


@dataclass(frozen=True)
class CellEvaluation(Results):
    """The results of evaluating a classifier with several labels an image.

    Args:
        errors: Result of :func:`pixmill.evaluate.cells.errors.find_errors`.
        missing: Unknown labels that are probably yes, and the first of them with ``pixels``.
        shown: The first errors of each kind, and of each label, with ``pixels``.
        unlike: Images that the model marks as unlike the training images, with ``pixels``.
        sample: Random images, with ``pixels``.
    """

    errors: pd.DataFrame
    missing: tuple[pd.DataFrame, Images]
    shown: Images
    unlike: Images
    sample: Images

    def summary(self) -> str:
        """Return the test metrics in one line."""
        found = self.metrics
        average = "mean_average_precision"
        if found[average] is None:
            return f"no label has a known yes and no among {found['n']:,} test images"
        return (
            f"mean average precision {found[average]:.3f} ({found[f'{average}_low']:.3f} to "
            f"{found[f'{average}_high']:.3f}) on {found['n']:,} test images, "
            f"{found['baseline_average_precision']:.3f} without a model; all labels right on "
            f"{percent(found['exact_match'])} of the images"
        )


def evaluate_cells(
    opened: Predicted, params: EvaluateParams, shortcuts: Sequence[Mapping[str, Any]] = ()
) -> CellEvaluation:
    """Measure predictions, with the arguments of :func:`pixmill.evaluate.evaluation.evaluate`."""
    classifier = opened.classifier
    labels = classifier.labels
    parts = opened.parts
    calibration: Any = classifier.calibration
    predictions = opened.predictions
    tested = predictions[predictions["split"] == "test"]
    metrics, curves = measure_cells(
        predictions,
        apply_calibration(opened.in_sample, classifier),
        opened.groups,
        labels,
        calibration,
        draws=params.draws,
        confidence=params.confidence,
    )
    errors = find_errors(tested, labels, calibration.thresholds)
    metrics |= {
        "errors": count_errors(errors, labels),
        "unlike": None if tested["unlike"].isna().all() else float(tested["unlike"].mean()),
        "shortcuts": list(shortcuts),
    }
    first = [
        errors.groupby("kind").head(params.mistakes),
        errors.groupby(["label", "kind"]).head(_MAX_PER_LABEL),
    ]
    doubtful, missing = doubtful_cells(predictions, opened.groups, labels, calibration.thresholds)
    issues = [
        each
        for suggested in ("no", "yes")
        for each in first_issues(
            doubtful[doubtful["suggested"] == suggested], parts, limit=params.label_errors
        )
    ]
    training, _ = nearest_to_errors([], parts, opened.features, opened.trained)
    foreign = tested[tested["unlike"].fillna(False).astype(bool)]
    return CellEvaluation(
        labels=labels,
        predictions=predictions,
        ranking=doubtful if params.label_errors else None,
        unlabelled=opened.unlabelled,
        unlabelled_folder=params.unlabelled,
        metrics=metrics,
        plots=curves,
        interval_confidence=params.confidence,
        target_accuracy=calibration.target_accuracy,
        issues=issues,
        training=training,
        errors=errors,
        missing=(missing, first_issues(missing, parts, limit=params.label_errors)),
        shown=with_pixels(pd.concat(first).drop_duplicates(["id", "label"]).sort_index(), parts),
        unlike=with_pixels(foreign.head(_MAX_UNLIKE), parts),
        sample=with_pixels(sample_rows(tested, _MAX_SAMPLE), parts),
    )
