"""The models of ``train.model``, with their sections; each answers for itself what the stages ask.

To add a model: its section and a class here, in :data:`Model` and ``TrainParams``; its network in
:func:`pixmill.models.networks.build_classifier`; its fitter in ``train/training.py``. mypy names
both places.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pixmill.core.params.sections import PLUGIN, PartialShare, Section
from pixmill.core.params.sweep import RangeParams

Padding = Literal["same", "valid"]
Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"]
Dropout = Annotated[PartialShare, Field(description="Dropout after the layer.")]
Units = Annotated[int, Field(ge=1, le=65_536)]
"""Channels or units of a layer; the widest published networks have fewer."""

PRESET = r"^hub:\S+$"
"""Preset of KerasHub: a built-in name, a URL of Kaggle or Hugging Face, or a folder."""

PATCHES = {"hub:dinov2_": 14, "hub:dinov3_": 16}
"""Side of a patch in pixels, by prefix of a preset's built-in name.

Image sizes are multiples of it.
"""

LayerName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class BlockParams(Section):
    """A block of convolutions, with pooling and dropout."""

    filters: Units = Field(description="Filters of each convolution.")
    kernel: int = Field(default=3, ge=1, le=64, description="Kernel size, in pixels.")
    padding: Padding = Field(default="same", description="Padding of the convolutions.")
    convolutions: int = Field(default=1, ge=1, le=64, description="Number of convolutions.")
    activation: Activation = Field(default="relu", description="Activation of each convolution.")
    batch_norm: bool | Literal["after_pooling"] = Field(
        default=False,
        description="Batch normalization: `true`: after each activation; `after_pooling`: once, "
        "after the pooling.",
    )
    pooling: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Size of the max pooling after the convolutions; 1: none.",
    )
    pool_padding: Padding = Field(default="valid", description="Padding of the pooling.")
    dropout: Dropout = 0.0


class DenseParams(Section):
    """A dense layer with dropout."""

    units: Units = Field(description="Units of the layer, with ReLU.")
    dropout: Dropout = 0.0


class CnnParams(Section):
    """A plain convolutional network, block by block."""

    channels: Literal[1, 3] = Field(
        default=3, description="Channels of the input: 1 (grey) or 3 (RGB)."
    )
    rescaling: Literal["unit", "symmetric", "none"] = Field(
        default="unit",
        description=(
            "Range of the input: `unit` (0 to 1), `symmetric` (-1 to 1) or `none` (0 to 255)."
        ),
    )
    blocks: tuple[BlockParams, ...] = Field(
        default=(BlockParams(filters=16), BlockParams(filters=32), BlockParams(filters=64)),
        min_length=1,
        max_length=100,
        strict=False,
        description="Convolutional blocks, first to last.",
        examples=[[{"filters": 32, "convolutions": 2, "batch_norm": True}, {"filters": 64}]],
    )
    head: Literal["flatten", "average"] = Field(
        default="flatten",
        description=(
            "Between convolutions and dense layers: `flatten`, or global `average` pooling."
        ),
    )
    dense: tuple[DenseParams, ...] = Field(
        default=(DenseParams(units=128, dropout=0.4),),
        max_length=100,
        strict=False,
        description="Hidden dense layers.",
        examples=[[{"units": 64, "dropout": 0.5}]],
    )
    end: Literal["softmax", "sigmoid", "normalized_sigmoid"] = Field(
        default="softmax",
        description="Output and loss: `softmax` and categorical cross-entropy; `sigmoid` per class "
        "and binary cross-entropy, normalized at prediction time; or `normalized_sigmoid`: "
        "sigmoids divided by their sum, with categorical cross-entropy.",
    )


NetworkName = Literal[
    "efficientnet_lite0",
    "efficientnet_lite2",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_v2_b0",
    "efficientnet_v2_b1",
    "efficientnet_v2_b2",
    "efficientnet_v2_b3",
    "efficientnet_v2_s",
    "resnet50",
    "convnext_tiny",
]
InputSize = Annotated[int, Field(ge=32, le=1024)]


class BackboneParams(Section):
    """A pretrained network and its fine-tuning, or several frozen networks with joined features."""

    name: (
        NetworkName
        | Annotated[str, StringConstraints(pattern=rf"^plugin:{PLUGIN}$", max_length=71)]
        | Annotated[str, StringConstraints(pattern=PRESET, max_length=500)]
        | Annotated[tuple[NetworkName, ...], Field(min_length=2, max_length=4, strict=False)]
    ) = Field(
        default="efficientnet_lite0",
        description="The network; `efficientnet_lite0` and `efficientnet_lite2` are bundled and "
        "work offline; `plugin:<name>` is one of src/, `hub:<preset>` one of KerasHub, which "
        "`pixmill use hub:<preset>` sets. A list of networks, for the model `features`, joins "
        "their features.",
        examples=[["efficientnet_lite0", "efficientnet_lite2"]],
    )
    weights: str = Field(
        default="imagenet",
        min_length=1,
        max_length=1000,
        description="`imagenet` (downloaded by Keras unless bundled; a plugin or preset supplies "
        "its weights), `none` (random), or a file in the project.",
    )
    revision: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Version of the preset on its hub; null for a folder and for other networks.",
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="SHA-256 of the preset's files, required for presets; null for other networks.",
    )
    image_size: (
        InputSize | Annotated[tuple[InputSize, ...], Field(min_length=2, strict=False)] | None
    ) = Field(
        default=None,
        description="Input size of the network, in pixels; null: split.image_size; a list: one "
        "size per network.",
        examples=[[224, 260]],
    )
    unfreeze: Annotated[int, Field(ge=0, le=10_000)] | Literal["all"] = Field(
        default=0,
        description=(
            "Number of last layers with weights to fine-tune, or `all`; batch norm stays frozen."
        ),
    )
    rate_factor: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Learning rate of fine-tuned layers, as a share of train.learning_rate.",
    )
    dense: tuple[DenseParams, ...] = Field(
        default=(),
        max_length=100,
        strict=False,
        description="Hidden dense layers of the head.",
        examples=[[{"units": 256}]],
    )
    dropout: PartialShare = Field(default=0.2, description="Dropout before the output.")

    @property
    def networks(self) -> "tuple[BackboneParams, ...]":
        """The section of each network; itself if there is one."""
        if isinstance(self.name, str):
            return (self,)
        sizes = (
            self.image_size
            if isinstance(self.image_size, tuple)
            else [self.image_size] * len(self.name)
        )
        pairs = zip(self.name, sizes, strict=True)
        return tuple(
            self.model_copy(update={"name": name, "image_size": size}) for name, size in pairs
        )

    @property
    def title(self) -> str:
        """The name of the network, or the names of several."""
        return self.name if isinstance(self.name, str) else " + ".join(self.name)

    @property
    def is_external(self) -> bool:
        """Whether it is a plugin or a preset, which supplies its own weights."""
        return self.title.startswith(("plugin:", "hub:"))

    @model_validator(mode="after")
    def _suits_networks(self) -> Self:
        several = not isinstance(self.name, str)
        for name in ("weights", "unfreeze"):
            value = getattr(self, name)
            default = type(self).model_fields[name].default
            if self.title.startswith("hub:") and value != default:
                raise ValueError(
                    f"{name}: expected {default} for a preset of KerasHub, received {value!r}"
                )
        if isinstance(self.image_size, tuple) and (
            not several or len(self.image_size) != len(self.name)
        ):
            raise ValueError(
                f"image_size: expected one size per network ({self.title}), received "
                f"{self.image_size}"
            )
        if several and len(set(self.name)) < len(self.name):
            raise ValueError(f"name: expected different networks, received {self.title}")
        if several and self.weights not in ("imagenet", "none"):
            raise ValueError(
                "weights: expected imagenet or none for several networks, received "
                f"{self.weights!r}"
            )
        return self


class FeaturesParams(Section):
    """Features of a frozen backbone, and the head on them."""

    layers: (
        Literal["auto", "top"]
        | Annotated[tuple[LayerName, ...], Field(min_length=1, max_length=20, strict=False)]
    ) = Field(
        default="auto",
        description="Layers of the backbone whose averages over the image are the features: `auto` "
        "(for the model `features` the ends of its stages and the top, for `backbone` the top), "
        "`top`, or a list of names, in which `top` is the last one.",
        examples=[["block10_depthwise_relu", "top"]],
    )
    head: Literal["logistic", "mlp"] = Field(
        default="logistic",
        description=(
            "`logistic` (logistic regression) or `mlp` (hidden layers, by train.optimizer)."
        ),
    )
    # Above a million, the penalty vanishes in the rounding of the loss.
    inverse_regularization: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        description="C of the logistic regression; smaller: stronger regularization. null: 0.01 "
        "for a single layer, 0.005 for several.",
    )
    dense: tuple[DenseParams, ...] = Field(
        default=(DenseParams(units=256, dropout=0.5),),
        max_length=100,
        strict=False,
        description="Hidden layers of the `mlp`.",
        examples=[[{"units": 128}]],
    )


Space = Mapping[str, RangeParams | tuple[Any, ...]]
"""Values to try by dotted name of the param."""

_FINE_TUNING = (
    "backbone.unfreeze",
    "backbone.rate_factor",
    "backbone.dense",
    "backbone.dropout",
)
"""Params without effect on a backbone that only extracts features."""

_EPOCHS = (
    "optimizer",
    "momentum",
    "weight_decay",
    "learning_rate",
    "schedule.",
    "clip_norm",
    "label_smoothing",
    "epochs",
    "batch_size",
    "patience",
    "monitor",
    "minutes",
    "precision",
)
"""Params without effect on a logistic regression, which a solver fits to convergence."""


class _Model(ABC):
    """A model: the sections that it uses, and what follows from them."""

    backbone: BackboneParams | None
    """The section ``train.backbone``; ``None`` for a model without a backbone."""

    on_features: ClassVar[bool] = False
    """Whether the model is a head on features that a frozen backbone computes once.

    Its images are not augmented, and backbone and head are exported as two files.
    """

    @property
    def is_logistic(self) -> bool:
        """Whether a solver fits it: no epochs, and one minimum for all seeds."""
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """A short name for lists of runs, such as ``features efficientnet_lite0 logistic``."""

    @property
    @abstractmethod
    def unused(self) -> tuple[str, ...]:
        """Prefixes of the params of ``train`` that do not affect this model."""

    @property
    @abstractmethod
    def against_overfitting(self) -> tuple[str, str] | None:
        """A change against overfitting, and its param; ``None`` for a logistic regression."""

    @abstractmethod
    def space(self) -> Space:
        """Return what a sweep searches by default."""

    @abstractmethod
    def describe(self, backbone: str) -> str:
        """Return a description in a few words.

        Args:
            backbone: Display name of the backbone; in quotes if it is a plugin or a preset.
        """


@dataclass(frozen=True)
class CnnModel(_Model):
    """A plain convolutional network, fitted from scratch."""

    cnn: CnnParams
    backbone: None = None

    @property
    def title(self) -> str:
        """Such as ``cnn``."""
        return "cnn"

    @property
    def unused(self) -> tuple[str, ...]:
        """All of other models."""
        return ("backbone.", "features.")

    @property
    def against_overfitting(self) -> tuple[str, str]:
        """Dropout in the dense layers."""
        return "dropout in", "train.cnn.dense"

    def space(self) -> Space:
        """Return fitting, augmentation and smoothing."""
        return {
            "train.learning_rate": RangeParams(low=1e-4, high=1e-2, log=True),
            "train.batch_size": (16, 32, 64),
            "train.augmentation.rotation": RangeParams(low=0.0, high=20.0),
            "train.augmentation.zoom": RangeParams(low=0.0, high=0.2),
            "train.augmentation.erasing": (0.0, 0.25),
            "train.label_smoothing": (0.0, 0.1),
        }

    def describe(self, backbone: str) -> str:  # noqa: ARG002
        """Return the number of convolutions in words."""
        count = sum(block.convolutions for block in self.cnn.blocks)
        return f"A convolutional network with {count} convolutions, trained from scratch"


@dataclass(frozen=True)
class BackboneModel(_Model):
    """A pretrained network with a new head, trained as one."""

    backbone: BackboneParams
    features: FeaturesParams

    @property
    def title(self) -> str:
        """Such as ``backbone resnet50``."""
        return f"backbone {self.backbone.title}"

    @property
    def unused(self) -> tuple[str, ...]:
        """All of other models, and the head on features."""
        return ("cnn.", "features.head", "features.dense")

    @property
    def against_overfitting(self) -> tuple[str, str]:
        """Dropout before the output."""
        return "a higher", "train.backbone.dropout"

    def space(self) -> Space:
        """Return fine-tuning, its rates and dropout."""
        return {
            "train.learning_rate": RangeParams(low=1e-5, high=1e-2, log=True),
            "train.backbone.rate_factor": RangeParams(low=0.01, high=1.0, log=True),
            "train.backbone.unfreeze": (0, 10, 20, "all"),
            "train.backbone.dropout": RangeParams(low=0.0, high=0.5),
            "train.label_smoothing": (0.0, 0.1),
        }

    def describe(self, backbone: str) -> str:
        """Return what is pretrained and fine-tuned in words."""
        count = self.backbone.unfreeze
        tuning = {0: "frozen", "all": "fine-tuned"}.get(
            count, f"fine-tuned in its last {count} layers"
        )
        if self.backbone.weights == "none":
            tuning = f"randomly initialized and {tuning}"
        elif self.backbone.weights != "imagenet" or not self.backbone.is_external:
            # Only the code of a plugin knows whether it is pretrained.
            tuning = f"pretrained and {tuning}"
        return f"{backbone}, {tuning}, with a new head"


@dataclass(frozen=True)
class FeatureModel(_Model):
    """A head on precomputed features of one or several frozen networks."""

    backbone: BackboneParams
    features: FeaturesParams
    on_features: ClassVar[bool] = True

    @property
    def is_logistic(self) -> bool:
        """Whether the head is a logistic regression."""
        return self.features.head == "logistic"

    @property
    def title(self) -> str:
        """Such as ``features resnet50 mlp``."""
        return f"features {self.backbone.title} {self.features.head}"

    @property
    def unused(self) -> tuple[str, ...]:
        """All of other models, of fine-tuning, and of the other head."""
        unused = ("cnn.", "augmentation.", *_FINE_TUNING)
        if self.is_logistic:
            return (*unused, "features.dense", *_EPOCHS)
        return (*unused, "features.inverse_")

    @property
    def against_overfitting(self) -> tuple[str, str] | None:
        """Dropout in the dense layers of the ``mlp``."""
        return None if self.is_logistic else ("dropout in", "train.features.dense")

    def space(self) -> Space:
        """Return the regularization and the layers."""
        space: dict[str, RangeParams | tuple[Any, ...]] = {
            "train.features.inverse_regularization": RangeParams(low=1e-4, high=1.0, log=True),
            "train.features.layers": ("auto", "top"),
        }
        # `mlp` is not cross-fitted: with it, all trials are measured on the validation split only.
        if not self.is_logistic:
            space["train.features.head"] = ("logistic", "mlp")
        return space

    def describe(self, backbone: str) -> str:
        """Return the head and its backbone in words."""
        head = "A logistic regression" if self.is_logistic else "A small neural network"
        origin = ", randomly initialized" if self.backbone.weights == "none" else ""
        return f"{head} on features of {backbone}{origin}"


Model = FeatureModel | BackboneModel | CnnModel
"""What ``train.model`` selects."""
