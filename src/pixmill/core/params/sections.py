"""What sections of ``params.yaml`` are made of, and those of validate, split and evaluate."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

__all__ = [
    "AspectRatioParams",
    "BlankParams",
    "BlurredParams",
    "ClassBalanceParams",
    "ClassName",
    "ClassSharesParams",
    "Count",
    "DarkParams",
    "DuplicatesParams",
    "EvaluateParams",
    "ExpectationParams",
    "FormatsParams",
    "ImageSizeParams",
    "MinPerClassParams",
    "PlaceholdersParams",
    "ReadableParams",
    "Section",
    "Severity",
    "Share",
    "SplitParams",
    "ValidateParams",
]

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
ClassName = Annotated[str, StringConstraints(pattern=r"^[^\W_][\w .&'+-]*$", max_length=64)]
Severity = Literal["info", "warning", "critical"]
Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic"]


class Section(BaseModel):
    """One section: every key typed, none unknown, nothing coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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
