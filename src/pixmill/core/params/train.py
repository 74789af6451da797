"""The section of the stage train: model and fitting."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pixmill.core.params.sections import PLUGIN, PluginName, Section, Share

Padding = Literal["same", "valid"]
Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"]
Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout after the layer.")]
Units = Annotated[int, Field(ge=1, le=65_536)]
"""Channels or units of a layer; the widest published networks have fewer."""

Epochs = Annotated[int, Field(ge=1, le=100_000)]
"""More than a day at a second each."""

PRESET = r"^hub:\S+$"
"""Preset of KerasHub: a built-in name, a URL of Kaggle or Hugging Face, or a folder."""

PATCHES = {"hub:dinov2_": 14, "hub:dinov3_": 16}
"""Side of a patch in pixels, by prefix of a preset's built-in name; image sizes are multiples of it."""

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
        description=(
            "Batch normalization: `true`: after each activation; `after_pooling`: once, "
            "after the pooling."
        ),
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
        "and binary "
        "cross-entropy, normalized at prediction time; or `normalized_sigmoid`: sigmoids divided "
        "by their sum, with "
        "categorical cross-entropy.",
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
    """A pretrained network and its fine-tuning, or several frozen networks whose features are joined."""

    name: (
        NetworkName
        | Annotated[str, StringConstraints(pattern=rf"^plugin:{PLUGIN}$", max_length=71)]
        | Annotated[str, StringConstraints(pattern=PRESET, max_length=500)]
        | Annotated[tuple[NetworkName, ...], Field(min_length=2, max_length=4, strict=False)]
    ) = Field(
        default="efficientnet_lite0",
        description="The network; `efficientnet_lite0` and `efficientnet_lite2` are bundled and "
        "work offline; "
        "`plugin:<name>` is one of src/, `hub:<preset>` one of KerasHub, which `pixmill use "
        "hub:<preset>` sets. A list "
        "of networks, for the model `features`, joins their features.",
        examples=[["efficientnet_lite0", "efficientnet_lite2"]],
    )
    weights: str = Field(
        default="imagenet",
        min_length=1,
        max_length=1000,
        description="`imagenet` (downloaded by Keras unless bundled; a plugin or preset supplies "
        "its weights), `none` "
        "(random), or a file in the project.",
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
        description=(
            "Input size of the network, in pixels; null: split.image_size; a list: one "
            "size per network."
        ),
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
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout before the output.")

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
        "(for the model "
        "`features` the ends of its stages and the top, for `backbone` the top), `top`, or a list "
        "of names, in which "
        "`top` is the last one.",
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
        "for a single layer, "
        "0.005 for several.",
    )
    dense: tuple[DenseParams, ...] = Field(
        default=(DenseParams(units=256, dropout=0.5),),
        max_length=100,
        strict=False,
        description="Hidden layers of the `mlp`.",
        examples=[[{"units": 128}]],
    )


class ScheduleParams(Section):
    """The schedule of the learning rate."""

    name: Literal["constant", "cosine", "plateau"] = Field(
        default="constant",
        description=(
            "`constant`; `cosine`, down to the floor; or `plateau`, reduced when the "
            "validation metric stalls."
        ),
    )
    warmup: int = Field(default=0, ge=0, le=100_000, description="Epochs of linear warm-up.")
    factor: float = Field(default=0.5, gt=0, lt=1, description="Factor of `plateau`.")
    patience: Epochs = Field(default=3, description="Patience of `plateau`, in epochs.")
    floor: Share = Field(
        default=0.0, description="Smallest rate, as a share of train.learning_rate."
    )


class AugmentationParams(Section):
    """Random augmentation of training images."""

    flip: bool = Field(default=True, description="Mirror left and right.")
    rotation: float = Field(default=5.0, ge=0, le=180, description="Largest rotation in degrees.")
    zoom: float = Field(default=0.05, ge=0, lt=1, description="Largest zoom in or out, as a share.")
    shift: float = Field(
        default=0.05, ge=0, lt=1, description="Largest shift, as a share of the side."
    )
    shear: float = Field(
        default=0.0, ge=0, lt=90, description="Largest horizontal shear in degrees."
    )
    brightness: float = Field(
        default=0.0, ge=0, le=1, description="Largest change of brightness, as a share."
    )
    contrast: float = Field(
        default=0.0, ge=0, lt=1, description="Largest change of contrast, as a share."
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
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of `sgd`.")
    weight_decay: float = Field(default=0.004, ge=0, lt=1, description="Weight decay of `adamw`.")
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
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Label smoothing.")
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
        "to estimate the "
        "gain from more images.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description=(
            "Numerical precision; `bfloat16` is faster on some processors and GPUs, and "
            "far slower on others."
        ),
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
    target_accuracy: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Target accuracy of sure predictions; predictions below the confidence that "
        "reaches it on "
        "validation are 'not sure'.",
    )

    @model_validator(mode="after")
    def _several_networks(self) -> Self:
        if isinstance(self.backbone.name, tuple):
            if self.model == "backbone":
                raise ValueError(
                    "backbone.name: expected one network for the model backbone, received several"
                )
            if self.features.layers not in ("auto", "top"):
                raise ValueError(
                    "features.layers: expected auto or top for several networks, received "
                    f"{self.features.layers!r}"
                )
        return self
