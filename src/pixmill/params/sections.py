"""The sections of ``params.yaml`` as frozen, typed objects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

__all__ = [
    "AugmentationParams",
    "ClassBalanceParams",
    "CnnParams",
    "EvaluateParams",
    "ExpectationParams",
    "FormatsParams",
    "ImageSizeParams",
    "MinPerClassParams",
    "Params",
    "ReadableParams",
    "ScrapeParams",
    "Section",
    "Severity",
    "SplitParams",
    "TrainParams",
    "ValidateParams",
    "flat",
]

Severity = Literal["info", "warning", "critical"]
Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
ClassName = Annotated[str, StringConstraints(pattern=r"^[^\W_][\w .&'+-]*$", max_length=64)]

_RESERVED = {"train", "val", "test", "unlabelled"}
"""Folder names under ``data/`` that can be no class."""


class Section(BaseModel):
    """One section: every key typed, none unknown, nothing coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ScrapeParams(Section):
    """Say where pictures come from and what limits hold there."""

    source: Literal["shop", "folder"] = "shop"
    snapshot: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    per_class: Count | None = None
    expect_at_least: Annotated[int, Field(ge=0)] = 20
    connections: Annotated[int, Field(ge=1, le=256)] = 16
    timeout: Annotated[float, Field(gt=0)] = 20.0
    max_bytes: Count = 20_000_000

    @field_validator("snapshot")
    @classmethod
    def _in_the_calendar(cls, snapshot: str) -> str:
        try:
            date.fromisoformat(snapshot)
        except ValueError:
            raise ValueError(f"expected a date of the calendar, received {snapshot!r}") from None
        return snapshot


class ExpectationParams(Section):
    """Say how severe the failure of an expectation is."""

    severity: Severity = "critical"


class ImageSizeParams(ExpectationParams):
    """Bound the sides of a picture in pixels, for a share of the readable pictures."""

    min_width: Count = 32
    min_height: Count = 32
    share: Share = 0.9


class FormatsParams(ExpectationParams):
    """List the formats that are taken, for a share of the readable pictures."""

    allowed: Annotated[tuple[Format, ...], Field(min_length=1, strict=False)] = get_args(Format)
    share: Share = 0.9
    severity: Severity = "warning"


class ReadableParams(ExpectationParams):
    """Bound the share of pictures that decode."""

    share: Share = 0.9


class MinPerClassParams(ExpectationParams):
    """Bound the number of pictures of each class."""

    count: Count = 30


class ClassBalanceParams(ExpectationParams):
    """Bound the ratio of each class to the largest."""

    ratio: Share = 0.2


class ValidateParams(Section):
    """Set the limits of decoding, what counts as a duplicate, and the gate."""

    max_pixels: Count = 50_000_000
    duplicate_distance: Annotated[int, Field(ge=0, le=32)] = 16
    duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = 0.99
    image_size: ImageSizeParams = ImageSizeParams()
    formats: FormatsParams = FormatsParams()
    readable: ReadableParams = ReadableParams()
    min_per_class: MinPerClassParams = MinPerClassParams()
    class_balance: ClassBalanceParams = ClassBalanceParams()
    labels_declared: ExpectationParams = ExpectationParams()
    unique_ids: ExpectationParams = ExpectationParams()


class SplitParams(Section):
    """Set the parts and the form that pictures are packed in."""

    val: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    salt: str = "pixmill"
    image_size: Annotated[int, Field(ge=8, le=1024)] = 56
    aspect: Literal["pad", "crop", "stretch"] = "pad"

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Self:
        held_out = self.val + self.test
        if held_out >= 1:
            raise ValueError(f"expected val + test < 1, so that some are left for training, received {held_out:g}")
        return self


class CnnParams(Section):
    """Describe a plain convolutional network."""

    filters: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = (16, 32, 64)
    dense: Annotated[tuple[Count, ...], Field(strict=False)] = (128,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4


class AugmentationParams(Section):
    """Set the random changes of training pictures."""

    flip: bool = True
    rotation: Annotated[float, Field(ge=0, le=180)] = 5.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.05


class TrainParams(Section):
    """Choose the model and how it is fitted."""

    model: Literal["cnn"] = "cnn"
    cnn: CnnParams = CnnParams()
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    epochs: Count = 30
    batch_size: Count = 32
    patience: Count | None = 6
    augmentation: AugmentationParams = AugmentationParams()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 7
    threads: Annotated[int, Field(ge=1, le=1024)] = 2


class EvaluateParams(Section):
    """Set what the report shows and how sure its intervals are."""

    mistakes: Count = 36
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    draws: Annotated[int, Field(ge=100)] = 10_000


class Params(Section):
    """Hold the whole of ``params.yaml``."""

    classes: Annotated[tuple[ClassName, ...], Field(min_length=2, strict=False)]
    scrape: ScrapeParams
    validate_: Annotated[ValidateParams, Field(alias="validate")] = ValidateParams()
    split: SplitParams = SplitParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()

    @field_validator("classes")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        lowered = [name.lower() for name in names]
        for name in names:
            if lowered.count(name.lower()) > 1:
                raise ValueError(f"expected different names, received {name!r} more than once")
            if name.lower() in _RESERVED:
                raise ValueError(f"expected names other than {', '.join(sorted(_RESERVED))}, received {name!r}")
        return names

    @property
    def validate(self) -> ValidateParams:  # type: ignore[override]
        """The section of the stage validate (pydantic has a method of this name)."""
        return self.validate_


def flat(section: BaseModel | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a section as ``{dotted name: value}``, as MLflow and tables want it."""
    content = section.model_dump(by_alias=True) if isinstance(section, BaseModel) else section
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            result |= flat(value, f"{name}.")
        else:
            result[name] = list(value) if isinstance(value, tuple) else value
    return result
