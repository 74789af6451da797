"""The sections of ``params.yaml`` as frozen, typed objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, Field, field_validator, model_validator

from pixmill.params.scrape import ScrapeParams
from pixmill.params.section import ClassName, Count, Section, Share
from pixmill.params.train import TrainParams

__all__ = [
    "AspectRatioParams",
    "BlankParams",
    "BlurredParams",
    "ClassBalanceParams",
    "ClassSharesParams",
    "DarkParams",
    "DuplicatesParams",
    "EvaluateParams",
    "ExpectationParams",
    "FormatsParams",
    "ImageSizeParams",
    "MinPerClassParams",
    "Params",
    "PlaceholdersParams",
    "ReadableParams",
    "Severity",
    "SplitParams",
    "ValidateParams",
    "flat",
]

Severity = Literal["info", "warning", "critical"]
Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic"]

_RESERVED = {"train", "val", "test", "unlabelled"}
"""Folder names under ``data/`` that can be no class."""


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


class AspectRatioParams(ExpectationParams):
    """Bound the ratio of the longer side to the shorter, for a share of the readable pictures."""

    max_ratio: Annotated[float, Field(ge=1)] = 4.0
    share: Share = 0.95
    severity: Severity = "warning"


class DarkParams(ExpectationParams):
    """Bound the brightness from below, for a share of the readable pictures."""

    min_brightness: Annotated[float, Field(ge=0, le=255)] = 16.0
    share: Share = 0.95
    severity: Severity = "warning"


class BlurredParams(ExpectationParams):
    """Bound the sharpness from below, for a share of the readable pictures."""

    min_sharpness: Annotated[float, Field(ge=0)] = 10.0
    share: Share = 0.95
    severity: Severity = "warning"


class BlankParams(ExpectationParams):
    """Bound the entropy from below, for a share of the readable pictures."""

    min_entropy: Annotated[float, Field(ge=0, le=8)] = 0.05
    share: Share = 0.98
    severity: Severity = "warning"


class DuplicatesParams(ExpectationParams):
    """Bound the share of pictures that are no duplicate of another."""

    share: Share = 0.8
    severity: Severity = "warning"


class PlaceholdersParams(ExpectationParams):
    """Say how often one picture must be repeated to be a placeholder."""

    repeats: Annotated[int, Field(ge=2)] = 10
    severity: Severity = "warning"


class MinPerClassParams(ExpectationParams):
    """Bound the number of pictures of each class."""

    count: Count = 30


class ClassBalanceParams(ExpectationParams):
    """Bound the ratio of each class to the largest."""

    ratio: Share = 0.2


class ValidateParams(Section):
    """Set the limits of decoding, what counts as a duplicate, and the gate."""

    max_pixels: Count = 50_000_000
    timeout: Annotated[float, Field(ge=0.1, le=3600)] = 20.0
    memory: Annotated[int, Field(ge=64)] = 1024
    duplicate_distance: Annotated[int, Field(ge=0, le=32)] = 16
    duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = 0.99
    duplicate_mirror: bool = False
    data_docs: bool = False
    image_size: ImageSizeParams = ImageSizeParams()
    aspect_ratio: AspectRatioParams = AspectRatioParams()
    formats: FormatsParams = FormatsParams()
    readable: ReadableParams = ReadableParams()
    dark: DarkParams = DarkParams()
    blurred: BlurredParams = BlurredParams()
    blank: BlankParams = BlankParams()
    min_per_class: MinPerClassParams = MinPerClassParams()
    class_balance: ClassBalanceParams = ClassBalanceParams()
    labels_declared: ExpectationParams = ExpectationParams()
    unique_ids: ExpectationParams = ExpectationParams()
    duplicates: DuplicatesParams = DuplicatesParams()
    conflicts: ExpectationParams = ExpectationParams(severity="warning")
    near_duplicates: ExpectationParams = ExpectationParams(severity="warning")
    placeholders: PlaceholdersParams = PlaceholdersParams()
    leaks: ExpectationParams = ExpectationParams(severity="warning")


class ClassSharesParams(ExpectationParams):
    """Bound how far a class's share of a part may be from its share of all."""

    tolerance: Share = 0.1
    severity: Severity = "warning"


class SplitParams(Section):
    """Set the parts and the form that pictures are packed in."""

    val: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    salt: str = "pixmill"
    group_by: Literal["product", "page"] | None = None
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    image_size: Annotated[int, Field(ge=8, le=1024)] = 160
    aspect: Literal["pad", "crop", "stretch"] = "pad"
    resize: Literal["bicubic", "bilinear", "lanczos", "box", "nearest"] = "bicubic"
    class_shares: ClassSharesParams = ClassSharesParams()

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Self:
        held_out = self.val + self.test
        if held_out >= 1:
            raise ValueError(f"expected val + test < 1, so that some are left for training, received {held_out:g}")
        return self


class EvaluateParams(Section):
    """Set what the report shows and how sure its intervals are."""

    mistakes: Count = 36
    grad_cam: Annotated[int, Field(ge=0)] = 12
    label_errors: Annotated[int, Field(ge=0)] = 36
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    draws: Annotated[int, Field(ge=100)] = 10_000
    top_k: Annotated[int, Field(ge=2)] = 2
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] = 0.95
    unlabelled: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("unlabelled")
    @classmethod
    def _below_data(cls, folder: str | None) -> str | None:
        first, *below = (folder or "data/unlabelled").split("/")
        if (
            first != "data"
            or not below
            or not below[0]
            or ".." in below
            or "\\" in below
            or not "".join(below).isprintable()
        ):
            raise ValueError(f"expected a folder below data/, such as data/unlabelled, received {folder!r}")
        return folder


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

    @model_validator(mode="after")
    def _queries_of_classes(self) -> Self:
        for key, named in self.scrape.by_class().items():
            for label in named:
                if label not in self.classes:
                    raise ValueError(f"scrape.{key}: expected names among classes, received {label!r}")
        return self

    @model_validator(mode="after")
    def _folds_to_validate_across(self) -> Self:
        if self.train.cross_validation and self.split.folds is None:
            raise ValueError("train.cross_validation: expected split.folds to say how many, received null there")
        return self

    @model_validator(mode="after")
    def _unlabelled_apart(self) -> Self:
        folder = self.evaluate.unlabelled
        labelled = {"train", "val", "test", *(name.lower() for name in self.classes)}
        if folder is not None and folder.split("/")[1].lower() in labelled:
            raise ValueError(f"evaluate.unlabelled: expected a folder of no class and no part, received {folder!r}")
        return self

    @property
    def validate(self) -> ValidateParams:  # type: ignore[override]
        """The section of the stage validate (pydantic has a method of this name)."""
        return self.validate_


def flat(section: BaseModel | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a section as ``{dotted name: value}``, as MLflow and tables want it.

    The items of a list of sections go by their places: ``train.cnn.blocks.0.filters``.
    """
    content = section.model_dump(by_alias=True) if isinstance(section, BaseModel) else section
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            result |= flat({str(place): item for place, item in enumerate(value)}, f"{name}.")
        else:
            result[name] = list(value) if isinstance(value, tuple) else value
    return result
