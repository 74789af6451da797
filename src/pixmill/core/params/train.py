"""The section of the stage train: model and fitting."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from pixmill.core.params.models import (
    BackboneModel,
    BackboneParams,
    CnnModel,
    CnnParams,
    FeatureModel,
    FeaturesParams,
    Model,
)
from pixmill.core.params.sections import PartialShare, PluginName, ProperShare, Section, Share

Epochs = Annotated[int, Field(ge=1, le=100_000)]
"""More than a day at a second each."""


class ScheduleParams(Section):
    """The schedule of the learning rate."""

    name: Literal["constant", "cosine", "plateau"] = Field(
        default="constant",
        description="`constant`; `cosine`, down to the floor; or `plateau`, reduced when the "
        "validation metric stalls.",
    )
    warmup: int = Field(default=0, ge=0, le=100_000, description="Epochs of linear warm-up.")
    factor: ProperShare = Field(default=0.5, description="Factor of `plateau`.")
    patience: Epochs = Field(default=3, description="Patience of `plateau`, in epochs.")
    floor: Share = Field(
        default=0.0, description="Smallest rate, as a share of train.learning_rate."
    )


class AugmentationParams(Section):
    """Random augmentation of training images."""

    flip: bool = Field(default=True, description="Mirror left and right.")
    rotation: float = Field(default=5.0, ge=0, le=180, description="Largest rotation in degrees.")
    zoom: PartialShare = Field(default=0.05, description="Largest zoom in or out, as a share.")
    shift: PartialShare = Field(default=0.05, description="Largest shift, as a share of the side.")
    shear: float = Field(
        default=0.0, ge=0, lt=90, description="Largest horizontal shear in degrees."
    )
    brightness: Share = Field(default=0.0, description="Largest change of brightness, as a share.")
    contrast: PartialShare = Field(
        default=0.0, description="Largest change of contrast, as a share."
    )
    erasing: Share = Field(default=0.0, description="Probability of erasing a random rectangle.")
    plugin: PluginName | None = Field(
        default=None,
        description="Augmentation plugin in src/, by name; applied before images are mixed.",
    )
    mix: Literal["none", "mixup", "cutmix"] = Field(
        default="none", description="MixUp or CutMix of pairs of images."
    )
    mix_alpha: float = Field(
        default=0.2,
        gt=0,
        le=8,
        description="Alpha of the beta distribution that MixUp and CutMix draw from.",
    )

    @property
    def changes_images(self) -> bool:
        """Whether any augmentation is on."""
        return self.mix != "none" or any(
            getattr(self, key) for key in type(self).model_fields if "mix" not in key
        )


class LabelsParams(Section):
    """The answers of models with several labels an image."""

    threshold: Annotated[
        Annotated[ProperShare, Tag("[one]")] | Annotated[dict[str, ProperShare], Tag("[several]")],
        Discriminator(lambda given: "[several]" if isinstance(given, dict) else "[one]"),
    ] = Field(
        default=0.5,
        description="Probability from which the answer is yes: one number, or one by label; those "
        "that are not named have 0.5.",
        examples=[{"dark": 0.3}],
    )

    def thresholds(self, labels: Sequence[str]) -> list[float]:
        """Return the threshold of each label."""
        if isinstance(self.threshold, dict):
            return [self.threshold.get(label, 0.5) for label in labels]
        return [self.threshold] * len(labels)


class TrainParams(Section):
    """The model and its fitting."""

    model: Literal["cnn", "backbone", "features"] = Field(
        default="features",
        description="`features`: a head on precomputed features of a frozen backbone; `backbone`: "
        "a pretrained network "
        "with a new head, fine-tuned if asked; `cnn`: a plain convolutional network.",
    )
    cnn: CnnParams = Field(default=CnnParams(), description="The model `cnn`.")
    backbone: BackboneParams = Field(
        default=BackboneParams(), description="The network of `backbone` and `features`."
    )
    features: FeaturesParams = Field(default=FeaturesParams(), description="The model `features`.")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="Optimizer.")
    momentum: PartialShare = Field(default=0.9, description="Momentum of `sgd`.")
    weight_decay: PartialShare = Field(default=0.004, description="Weight decay of `adamw`.")
    learning_rate: float = Field(default=0.001, gt=0, le=100, description="Learning rate.")
    schedule: ScheduleParams = Field(
        default=ScheduleParams(), description="Schedule of the learning rate."
    )
    clip_norm: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="Norm for gradient clipping; null: no clipping."
    )
    class_weights: bool = Field(
        default=False, description="Whether to weight the loss by inverse class frequency."
    )
    label_smoothing: PartialShare = Field(default=0.0, description="Label smoothing.")
    epochs: Epochs = Field(default=30, description="Maximum number of epochs.")
    batch_size: int = Field(default=32, ge=1, le=65_536, description="Batch size.")
    patience: Epochs | None = Field(
        default=6, description="Patience of early stopping, in epochs; null: no early stopping."
    )
    monitor: Literal["val_loss", "val_accuracy"] = Field(
        default="val_loss",
        description="Validation metric of early stopping, the best epoch and `plateau`.",
    )
    # At most a month.
    minutes: Annotated[float, Field(gt=0, le=43_200)] | None = Field(
        default=None,
        description="Time budget in minutes, which breaks bit-for-bit reproducibility; null: none.",
    )
    augmentation: AugmentationParams = Field(
        default=AugmentationParams(),
        description="Random augmentation of training images, redrawn each epoch; false or 0: off.",
    )
    cross_validation: bool = Field(
        default=False, description="Whether to also cross-validate on the folds of split.folds."
    )
    learning_curve: Literal["auto", "never"] = Field(
        default="auto",
        description="Whether to also fit logistic regression to 10 to 70 % of the training images, "
        "to estimate the gain from more images.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Numerical precision; `bfloat16` is faster on some processors and GPUs, and "
        "far slower on others.",
    )
    seed: int = Field(
        default=7,
        ge=0,
        le=2**32 - 1,
        description="Random seed of weights, shuffling and augmentation.",
    )
    threads: int = Field(
        default=2,
        ge=1,
        le=1024,
        description="Number of compute threads; another number rounds differently.",
    )
    labels: LabelsParams = Field(
        default=LabelsParams(), description="With several labels an image (`task: labels`)."
    )
    target_accuracy: ProperShare = Field(
        default=0.95,
        description="Target accuracy of sure predictions; predictions below the confidence that "
        "reaches it on validation are 'not sure'.",
    )

    @property
    def kind(self) -> Model:
        """The model that ``model`` selects, with its sections."""
        match self.model:
            case "features":
                return FeatureModel(self.backbone, self.features)
            case "backbone":
                return BackboneModel(self.backbone, self.features)
            case "cnn":
                return CnnModel(self.cnn)

    @model_validator(mode="after")
    def _several_networks(self) -> Self:
        if isinstance(self.backbone.name, tuple):
            if isinstance(self.kind, BackboneModel):
                raise ValueError(
                    "backbone.name: expected one network for the model backbone, received several"
                )
            if self.features.layers not in ("auto", "top"):
                raise ValueError(
                    "features.layers: expected auto or top for several networks, received "
                    f"{self.features.layers!r}"
                )
        return self
