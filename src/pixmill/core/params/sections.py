"""Building blocks of sections, and the sections of the stages split and evaluate.

Each field has its description (with the unit), bounds, default and examples in one place; ``pixmill
params``, ``docs/reference/params.md`` and the JSON Schema are generated from them.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pixmill.core.names import LABEL, to_nfc

GROUPINGS = ("product", "page", "folder")
"""Values of ``split.group_by`` that are neither a table's column nor a pattern."""

TABLE_COLUMN = ".csv:"
"""Separates the name of a table from that of its column."""


def _check_group_by(value: str) -> str:
    try:
        is_known = (
            value in GROUPINGS
            or re.fullmatch(rf"data/.+{TABLE_COLUMN}.+", value)
            or re.compile(value).groups
        )
    except re.error as error:
        raise ValueError(f"expected a regular expression, received {value!r}: {error}") from None
    if not is_known:
        raise ValueError(
            f"expected {', '.join(GROUPINGS)}, a column such as data/groups.csv:patient, or a "
            "pattern with the group "
            rf"in parentheses, such as (clip\d+)_frame, received {value!r}"
        )
    return value


Share = Annotated[float, Field(ge=0, le=1)]
PartialShare = Annotated[float, Field(ge=0, lt=1)]
"""A share of less than all."""

ProperShare = Annotated[float, Field(gt=0, lt=1)]
"""A share of some, but less than all."""

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Up to a billion, which fits every counter."""


def _compose(name: Any) -> Any:
    return to_nfc(name) if isinstance(name, str) else name


# Sections that map classes to values need not check their names: they must be among the classes.
ClassName = Annotated[
    str, BeforeValidator(_compose), WithJsonSchema({"type": "string", "pattern": LABEL})
]
PLUGIN = r"[a-z0-9][a-z0-9_-]*"
PluginName = Annotated[str, StringConstraints(pattern=rf"^{PLUGIN}$", max_length=64)]
"""Name of an entry point in ``pyproject.toml``."""

Severity = Annotated[
    Literal["info", "warning", "critical"],
    Field(
        description="Effect of a failure: `critical` stops the pipeline; `warning` and `info` are "
        "only reported."
    ),
]


class Section(BaseModel):
    """A section: typed keys, no unknown keys, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ExpectationParams(Section):
    """The severity of a check's failure."""

    severity: Severity = "critical"


class WarningParams(ExpectationParams):
    """The severity of a check whose failures are only reported by default."""

    severity: Severity = "warning"


class ClassSharesParams(WarningParams):
    """The limit on the difference between a class's share of a split and of all images."""

    tolerance: Share = Field(
        default=0.1,
        description=(
            "Largest difference between a class's share of a split and its share of all images."
        ),
    )


class SplitParams(Section):
    """Sizes of the splits, and resizing of images."""

    val: ProperShare = Field(default=0.15, description="Share of images for validation.")
    test: ProperShare = Field(default=0.2, description="Share of images for testing.")
    image_size: int = Field(
        default=224, ge=8, le=1024, description="Side of the square input images, in pixels."
    )
    aspect: Literal["pad", "crop", "stretch"] = Field(
        default="pad",
        description="How images become square: `pad` with the mean colour of the edge, `crop` the "
        "centre, `stretch`.",
    )
    resize: Literal["bicubic", "bilinear", "lanczos", "box", "nearest"] = Field(
        default="bicubic", description="Interpolation method for resizing."
    )
    salt: str = Field(
        default="pixmill",
        max_length=1000,
        description=(
            "Salt of the hash that assigns images to splits; another salt draws another split."
        ),
    )
    group_by: Annotated[str, AfterValidator(_check_group_by)] | None = Field(
        default=None,
        max_length=1000,
        description="Keep all images of a group in the same split: of one `product`, `page` or "
        "`folder`; of equal text in a column, `data/<table>.csv:<column>`; or of equal text in the "
        "file's path, where the parentheses of a regular expression match. null: no grouping.",
        examples=[r"(clip\d+)_frame", "data/groups.csv:patient"],
    )
    folds: int = Field(
        default=5,
        ge=2,
        le=20,
        description="Number of cross-validation folds over training and validation images.",
    )
    class_shares: ClassSharesParams = Field(
        default=ClassSharesParams(),
        description="Each split has about the same class shares as all images.",
    )

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Self:
        held_out = self.val + self.test
        if held_out >= 1:
            raise ValueError(
                "expected val + test < 1, so that images are left for training, received "
                f"{held_out:g}"
            )
        return self


_MAX_SHOWN = 1000
"""Images per section of a page that a browser opens quickly."""


class EvaluateParams(Section):
    """Confidence intervals, and the contents of the report."""

    confidence: ProperShare = Field(default=0.95, description="Level of the confidence intervals.")
    # A million draws on 10,000 test images take some ten minutes.
    draws: int = Field(
        default=10_000, ge=100, le=1_000_000, description="Bootstrap draws behind the intervals."
    )
    top_k: int = Field(
        default=2,
        ge=2,
        le=1000,
        description="Top-k accuracy counts the true class among this many.",
    )
    mistakes: int = Field(
        default=36,
        ge=1,
        le=_MAX_SHOWN,
        description="Errors that the page shows, most confident first.",
    )
    grad_cam: int = Field(
        default=12,
        ge=0,
        le=_MAX_SHOWN,
        description="Errors shown with a Grad-CAM heatmap; 0: none.",
    )
    label_errors: int = Field(
        default=36,
        ge=0,
        le=_MAX_SHOWN,
        description="Label issues that the page shows; 0: no search.",
    )
    unlabelled: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "A folder below data/ with unlabelled images to predict too, if it exists; null: none."
        ),
    )

    @field_validator("unlabelled")
    @classmethod
    def _below_data(cls, folder: str | None) -> str | None:
        parts = Path(folder or "data/unlabelled").parts
        if parts[0] != "data" or len(parts) == 1 or ".." in parts:
            raise ValueError(
                f"expected a folder below data/, such as data/unlabelled, received {folder!r}"
            )
        return folder
