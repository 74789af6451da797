"""What every evaluation of a classifier has, whatever an image's label is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

Images = Sequence[Mapping[str, Any]]
"""Images to show, by column, with ``pixels``, the model's input."""


@dataclass(frozen=True)
class Results(ABC):
    """The results of evaluating a classifier.

    Args:
        labels: The classes in the order of the model's outputs.
        predictions: One row per image, sorted by id; columns as in
            :func:`pixmill.evaluate.predictions.predictions_schema`. The probabilities are
            calibrated.
        ranking: Label scores; ``None`` if the search for label issues is off.
        unlabelled: Predictions for unlabelled images, columns as in
            :func:`pixmill.models.inference.answers_schema`; ``None`` without such a folder.
        unlabelled_folder: ``evaluate.unlabelled``.
        metrics: The content of ``plots/evaluate/full.json``.
        plots: Plot data by file name without extension, but for ``per_class``, which is in
            ``metrics``.
        interval_confidence: Confidence level of the intervals.
        target_accuracy: Target of the covered accuracy.
        issues: The most likely label issues.
        training: Vectors of the training images, columns of
            :data:`pixmill.evaluate.mistakes.VECTORS`; ``None`` if the model has no separate
            backbone.
    """

    labels: tuple[str, ...]
    predictions: pd.DataFrame
    ranking: pd.DataFrame | None
    unlabelled: pd.DataFrame | None
    unlabelled_folder: str | None
    metrics: dict[str, Any]
    plots: dict[str, pd.DataFrame]
    interval_confidence: float
    target_accuracy: float
    issues: Images
    training: pd.DataFrame | None

    @abstractmethod
    def summary(self) -> str:
        """Return the test metrics in one line."""

    def plot_tables(self) -> dict[str, str]:
        """Return the contents of ``plots/evaluate/<name>.csv`` by name."""
        of_classes = self.metrics["per_class"].items()
        per_class = pd.DataFrame({"label": label, **row} for label, row in of_classes)
        tables = {**self.plots, "per_class": per_class}
        csv: Any = {"index": False, "lineterminator": "\n", "float_format": "%.6g"}
        return {name: table.to_csv(**csv) for name, table in tables.items()}

    def unlabelled_remark(self) -> str:
        """Return a warning if there are no unlabelled images to predict; empty otherwise."""
        if self.unlabelled_folder is None or (self.unlabelled is not None and len(self.unlabelled)):
            return ""
        return (
            f"evaluate.unlabelled: no unlabelled image of {self.unlabelled_folder} was scraped, so "
            "none was predicted; put images there, then: dvc repro -f scrape; or set it to null in "
            "params.yaml"
        )
