"""The stage's one function: a trained classifier and packed pictures in, what it is worth out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pixmill.evaluate.figures import confusion_figure, mistakes_figure
from pixmill.evaluate.measure import measure
from pixmill.evaluate.mistakes import surest_mistakes
from pixmill.evaluate.page import render_report
from pixmill.evaluate.predictions import class_indices, predict_parts, probabilities_of
from pixmill.metrics import confusion_counts
from pixmill.models import fix_threads, load_classifier
from pixmill.params import EvaluateParams
from pixmill.parts import load_parts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Hold all that is known of a classifier once it has seen every picture.

    Args:
        labels: The classes in the order of the model's outputs.
        predictions: One row a picture, sorted by id; columns as in
            :func:`pixmill.evaluate.predictions.predictions_schema`.
        metrics: The content of ``metrics/evaluate.json``.
        confusion: Columns ``actual`` and ``predicted``, one row a test picture, sorted by id.
        page: The report as HTML.
        figures: Pictures for tools that show pictures only, by file name.
    """

    labels: tuple[str, ...]
    predictions: pd.DataFrame
    metrics: dict[str, Any]
    confusion: pd.DataFrame
    page: str
    figures: dict[str, Figure]


def evaluate(classifier: Path, packed: Path, params: EvaluateParams, *, threads: int) -> Evaluation:
    """Predict every packed picture and say how good that is.

    Args:
        classifier: ``artifacts/train``.
        packed: ``artifacts/split``.
        params: What the report shows and how sure its intervals are.
        threads: Threads that compute; part of the result, since another number rounds differently.

    Raises:
        ManifestError: An artifact is missing or malformed, or the two do not belong together.
    """
    fix_threads(threads)
    model, labels = load_classifier(classifier)
    parts = load_parts(packed, labels, side=model.input_shape[1])
    predictions = predict_parts(model.predict_on_batch, parts.values(), labels)
    groups = pd.concat([part.rows for part in parts.values()]).set_index("id")["group"]
    metrics = measure(predictions, groups, labels, draws=params.draws, confidence=params.confidence)

    tested = predictions[predictions["split"] == "test"]
    actual, predicted = (class_indices(tested[column], labels) for column in ("label", "predicted"))
    matrix = confusion_counts(actual, predicted, len(labels))
    mistakes = surest_mistakes(tested, parts["test"], limit=params.mistakes)
    return Evaluation(
        labels=tuple(labels),
        predictions=predictions,
        metrics=metrics,
        confusion=tested[["label", "predicted"]].rename(columns={"label": "actual"}),
        page=render_report(
            metrics,
            matrix,
            labels,
            mistakes,
            mean_confidence=float(np.mean(probabilities_of(tested, labels).max(axis=1))),
            interval_confidence=params.confidence,
        ),
        figures={"confusion.png": confusion_figure(matrix, labels), "mistakes.png": mistakes_figure(mistakes)},
    )
