"""The section of ``pixmill sweep``; no stage depends on it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from pixmill.core.params.compare import CellMetric, HighMetric, LowMetric
from pixmill.core.params.sections import Section

Number = float | int


class RangeParams(Section):
    """All numbers of an interval, limits included; integers if both limits are."""

    low: Number = Field(description="Smallest value.")
    high: Number = Field(description="Largest value.")
    log: bool = Field(default=False, description="Whether to search on a logarithmic scale.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"expected low < high, received {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low > 0 for a logarithmic range, received {self.low}")
        return self


List = Annotated[tuple[Any, ...], Field(min_length=1, max_length=1000, strict=False)]
Values = Annotated[
    Annotated[RangeParams, Tag("[range]")] | Annotated[List, Tag("[list]")],
    # Report a wrong range once, and not also as a wrong list.
    Discriminator(lambda given: "[range]" if isinstance(given, dict | RangeParams) else "[list]"),
]
"""The values of one param to try."""


class SweepParams(Section):
    """Search space, metric and number of trials."""

    space: dict[str, Values] = Field(
        default={},
        max_length=50,
        description="Params of `train` by dotted name, each with a list of values or a range. "
        "Default: a few params of the current model, which `pixmill sweep --show` prints.",
        examples=[
            {
                "train.features.layers": ["auto", "top"],
                "train.features.inverse_regularization": {"low": 0.0001, "high": 1, "log": True},
            }
        ],
    )
    metric: Literal[HighMetric, CellMetric, LowMetric] | None = Field(
        default=None, description="Metric on validation that decides; null: `compare.metric`."
    )
    trials: int = Field(default=50, ge=1, le=100_000, description="Number of models to fit.")
    sampler: Literal["tpe", "random", "grid"] = Field(
        default="tpe",
        description="Sampler of values: `tpe` (tree-structured Parzen estimator, which learns from "
        "earlier trials), `random`, or `grid` (all combinations of lists).",
    )
    folds: Annotated[int, Field(ge=2, le=20)] | None = Field(
        default=None,
        description="Number of cross-validation folds over training and validation images; null: "
        "evaluate each model on validation images, to which cross-fitting adds those of training.",
    )
    seed: int = Field(
        default=7, ge=0, le=2**31 - 1, description="Random seed of the sampler and of the folds."
    )
