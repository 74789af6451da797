"""The section of ``pixmill compare``; no stage depends on it."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from pixmill.core.cells import Task
from pixmill.core.params.sections import Section, Share

HighMetric = Literal[
    "macro_f1", "accuracy", "balanced_accuracy", "weighted_f1", "roc_auc", "pr_auc"
]
CellMetric = Literal["mean_average_precision", "exact_match"]
"""Metrics of models with several labels an image."""

LowMetric = Literal["log_loss", "ece"]
"""Metrics that are better when lower."""

METRICS: Mapping[Task, tuple[str, ...]] = {
    "one_label": (*get_args(HighMetric), *get_args(LowMetric)),
    "labels": (*get_args(CellMetric), *get_args(LowMetric)),
}
"""Metrics that can decide, by task; the first is the default."""

ThresholdMetric = Literal["coverage", "covered_accuracy"]
"""Share of images that a model answers at its confidence threshold, and accuracy among these."""

ClassMetric = Literal["f1", "precision", "recall", "average_precision"]
Loss = Annotated[float, Field(ge=0, le=100)]
Amount = Annotated[float, Field(ge=0, le=1_000_000)]


class CompareParams(Section):
    """The metric that decides, and the limits of the gate."""

    metric: Literal[HighMetric, CellMetric, LowMetric] = Field(
        default="macro_f1",
        description="Test metric that decides whether a change is better or worse. Default for "
        "`task: labels`: mean_average_precision.",
    )
    margin: Share = Field(
        default=0.02,
        description="Without a significant difference, two models are the same if its confidence "
        "interval is within ± margin.",
    )
    drift: Share = Field(
        default=0.1,
        description="Smallest distance between two distributions that is reported as drift.",
    )
    max_drop: Share | Literal["significant"] | None = Field(
        default="significant",
        description="Gate: largest drop of `metric` from the base; `significant`: no significant "
        "drop; null: no limit.",
    )
    min: dict[Literal[HighMetric, CellMetric, ThresholdMetric], Share] = Field(
        default={},
        description="Gate: smallest values of metrics on the test split; `coverage` is the share "
        "of images that the "
        "model answers at its confidence threshold, `covered_accuracy` the accuracy among these.",
        examples=[{"accuracy": 0.85}],
    )
    max: dict[LowMetric, Loss] = Field(
        default={},
        description="Gate: largest values of metrics on the test split.",
        examples=[{"log_loss": 0.5}],
    )
    min_per_class: dict[ClassMetric, Share] = Field(
        default={}, description="Gate: smallest values for each class.", examples=[{"recall": 0.7}]
    )
    max_megabytes: Amount | None = Field(
        default=None,
        description="Gate: largest size of the model in MLflow, in MB; null: no limit.",
    )
    max_seconds: Amount | None = Field(
        default=None, description="Gate: longest training in MLflow, in seconds; null: no limit."
    )
