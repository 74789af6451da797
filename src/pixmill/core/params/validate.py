"""The section of the stage validate: decoding limits, duplicate detection and checks."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from pixmill.core.params.sections import (
    Count,
    ExpectationParams,
    PluginName,
    Section,
    Share,
    WarningParams,
)

Side = Annotated[int, Field(ge=1, le=65_535)]
"""Side in pixels; the maximum of JPEG."""

Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic"]
Window = Annotated[tuple[float, ...], Field(min_length=2, max_length=2, strict=False)]
Fulfilled = Annotated[
    float, Field(ge=0, le=1, description="Share of readable images that must pass.")
]


class ImageSizeParams(ExpectationParams):
    """Lower bounds on the sides of an image, for a share of the readable images."""

    min_width: Side = Field(default=32, description="Smallest width in pixels.")
    min_height: Side = Field(default=32, description="Smallest height in pixels.")
    share: Fulfilled = 0.9


class FormatsParams(WarningParams):
    """Accepted formats, for a share of the readable images."""

    allowed: tuple[Format, ...] = Field(
        default=get_args(Format),
        min_length=1,
        strict=False,
        description="Accepted formats; images in others are dropped. `heic` needs another package.",
        examples=[["jpeg", "png"]],
    )
    share: Fulfilled = 0.9


class ReadableParams(ExpectationParams):
    """Lower bound on the share of images that decode."""

    share: Share = Field(
        default=0.9, description="Share of all images that must decode completely."
    )


class AspectRatioParams(WarningParams):
    """Upper bound on longer side / shorter side, for a share of the readable images."""

    max_ratio: float = Field(
        default=4.0, ge=1, le=65_535, description="Largest ratio of the longer side to the shorter."
    )
    share: Fulfilled = 0.95


class DarkParams(WarningParams):
    """Lower bound on the brightness, for a share of the readable images."""

    min_brightness: float = Field(
        default=16.0, ge=0, le=255, description="Smallest mean grey level, 0 to 255."
    )
    share: Fulfilled = 0.95


class BlurredParams(WarningParams):
    """Lower bound on the sharpness, for a share of the readable images."""

    # The Laplacian of 8-bit grey levels is within ±1020, which bounds its variance.
    min_sharpness: float = Field(
        default=10.0,
        ge=0,
        le=1_040_400,
        description="Smallest variance of the Laplacian, with the image at about 200 pixels; lower "
        "if the whole set is "
        "soft, since a blurred image must also be far less sharp than the others.",
    )
    share: Fulfilled = 0.95


class BlankParams(WarningParams):
    """Lower bound on the entropy, for a share of the readable images."""

    min_entropy: float = Field(
        default=0.05,
        ge=0,
        le=8,
        description="Smallest entropy of the grey levels in bits; a product covering 2 % of a "
        "white image has 0.1.",
    )
    share: Fulfilled = 0.98


class DuplicatesParams(WarningParams):
    """Lower bound on the share of images that are not duplicates."""

    share: Share = Field(
        default=0.8,
        description=(
            "Share of readable images that must be neither a copy nor a near-duplicate of another."
        ),
    )


class PlaceholdersParams(WarningParams):
    """Number of repetitions from which an image is a placeholder."""

    repeats: int = Field(
        default=10,
        ge=2,
        le=1_000_000_000,
        description="URLs from which on a repeated image is reported as a placeholder (dropped if "
        "labels differ).",
    )


class MinPerClassParams(ExpectationParams):
    """Lower bound on the number of images per class."""

    count: Count = Field(default=30, description="Minimum number of kept images per class.")


class ClassBalanceParams(Section):
    """Lower bounds on the size of each class, as a share of the largest."""

    warning: Share = Field(
        default=0.2,
        description="Size below which a class gets a warning, as a share of the largest class.",
    )
    critical: Share = Field(
        default=0.1,
        description="Size below which a class stops the pipeline, as a share of the largest.",
    )

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.critical > self.warning:
            raise ValueError(
                f"expected critical <= warning ({self.warning:g}), received {self.critical:g}"
            )
        return self


class ShortcutsParams(WarningParams):
    """Upper bound on how well properties of the files may predict the class."""

    skill: Share = Field(
        default=0.5,
        description="Largest skill of source, host, format, colour mode, width or height in "
        "predicting a class: 1 if always right, 0 if guessing. The limit is at least 0.95 for "
        "properties that depend on the image content.",
    )


class ValidateParams(Section):
    """Decoding limits, duplicate detection and checks."""

    image_size: ImageSizeParams = Field(
        default=ImageSizeParams(),
        description="Smaller images are dropped; too many of them fail the check.",
    )
    min_per_class: MinPerClassParams = Field(
        default=MinPerClassParams(), description="Every class has enough images."
    )
    class_balance: ClassBalanceParams = Field(
        default=ClassBalanceParams(), description="No class is far smaller than others."
    )
    # At the maximum, Pillow's images of 32 bits per pixel take 4 GB.
    max_pixels: int = Field(
        default=50_000_000,
        ge=1,
        le=1_000_000_000,
        description="Largest image that is decoded, in pixels; a larger one is dropped.",
    )
    timeout: float = Field(
        default=20.0,
        ge=0.1,
        le=3600,
        description=(
            "Timeout for decoding one image, in seconds; an image that times out twice is dropped."
        ),
    )
    memory: int = Field(
        default=1024,
        ge=64,
        le=1_048_576,
        description="Memory limit for decoding one image, in MiB (Linux); an image that needs more "
        "is "
        "dropped.",
    )
    window: Literal["auto"] | Window = Field(
        default="auto",
        description="Values that become black and white in grey images of more than 8 bits; "
        "`auto`: the full range of bits if values span at least half of it, else the quantiles "
        "0.5 % to 99.5 %.",
        examples=[[0, 4095], [29_000, 31_000]],
    )
    duplicate_distance: int = Field(
        default=16,
        ge=0,
        le=32,
        description="Largest Hamming distance of 64-bit perceptual hashes at which images are "
        "compared by pixels.",
    )
    duplicate_similarity: float = Field(
        default=0.99,
        gt=0,
        le=1,
        description="Minimum correlation of the aligned pixels of near-duplicates.",
    )
    duplicate_mirror: bool = Field(
        default=False, description="Whether mirrored images are near-duplicates too."
    )
    aspect_ratio: AspectRatioParams = Field(
        default=AspectRatioParams(), description="Few images are very long or very tall."
    )
    formats: FormatsParams = Field(
        default=FormatsParams(), description="Most images have an accepted format."
    )
    readable: ReadableParams = Field(default=ReadableParams(), description="Most images decode.")
    dark: DarkParams = Field(default=DarkParams(), description="Few images are nearly black.")
    blurred: BlurredParams = Field(default=BlurredParams(), description="Few images are blurred.")
    blank: BlankParams = Field(default=BlankParams(), description="Few images are blank.")
    labels_declared: ExpectationParams = Field(
        default=ExpectationParams(), description="All labels are among `classes`."
    )
    unique_ids: ExpectationParams = Field(
        default=ExpectationParams(), description="Image ids are unique."
    )
    duplicates: DuplicatesParams = Field(
        default=DuplicatesParams(), description="Few images are duplicates or near-duplicates."
    )
    conflicts: WarningParams = Field(
        default=WarningParams(),
        description=(
            "No image has two labels; images with two are dropped until you decide in "
            "decisions.csv."
        ),
    )
    near_duplicates: WarningParams = Field(
        default=WarningParams(),
        description="Near-duplicates have the same label; pairs with different labels are kept.",
    )
    placeholders: PlaceholdersParams = Field(
        default=PlaceholdersParams(), description="No image is a placeholder."
    )
    leaks: WarningParams = Field(
        default=WarningParams(),
        description="In a predefined split, no image is in two splits under the same label; the "
        "copy in the lower-ranking one is dropped.",
    )
    shortcuts: ShortcutsParams = Field(
        default=ShortcutsParams(),
        description="No source, format, colour mode or size predicts a class.",
    )
    plugins: tuple[PluginName, ...] = Field(
        default=(),
        strict=False,
        description="Check plugins in src/, by name.",
        examples=[["licences"]],
    )

    @model_validator(mode="after")
    def _window_ascends(self) -> Self:
        if self.window != "auto" and self.window[0] >= self.window[1]:
            raise ValueError(
                f"expected window: [black, white] with black < white, received {list(self.window)}"
            )
        return self
