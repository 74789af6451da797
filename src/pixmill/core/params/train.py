"""The section of the stage train: which model, and how it is fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pixmill.core.params.sections import Count, Section, Share

__all__ = [
    "AugmentationParams",
    "BackboneParams",
    "BlockParams",
    "CnnParams",
    "DenseParams",
    "FeaturesParams",
    "ScheduleParams",
    "TrainParams",
]

Padding = Literal["same", "valid"]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class BlockParams(Section):
    """Describe convolutions of one width, and what follows them."""

    filters: Count
    kernel: Count = 3
    padding: Padding = "same"
    convolutions: Count = 1
    batch_norm: bool = False
    pooling: Count = 2
    pool_padding: Padding = "valid"
    dropout: Dropout = 0.0


class DenseParams(Section):
    """Describe a dense layer, and the dropout behind it."""

    units: Count
    dropout: Dropout = 0.0


class CnnParams(Section):
    """Describe a plain convolutional network, block by block."""

    channels: Literal[1, 3] = 3
    rescaling: Literal["unit", "symmetric", "none"] = "unit"
    blocks: Annotated[tuple[BlockParams, ...], Field(min_length=1, strict=False)] = (
        BlockParams(filters=16),
        BlockParams(filters=32),
        BlockParams(filters=64),
    )
    head: Literal["flatten", "average"] = "flatten"
    dense: Annotated[tuple[DenseParams, ...], Field(strict=False)] = (DenseParams(units=128, dropout=0.4),)
    end: Literal["softmax", "sigmoid", "logits"] = "softmax"


class BackboneParams(Section):
    """Choose a pretrained network, and how much of it is fitted too."""

    name: Literal[
        "efficientnet_lite0",
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
    ] = "efficientnet_lite0"
    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    image_size: Annotated[int, Field(ge=32, le=1024)] | None = None
    unfreeze: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    dense: Annotated[tuple[DenseParams, ...], Field(strict=False)] = ()
    dropout: Dropout = 0.2


class FeaturesParams(Section):
    """Choose what is fitted to the features of a frozen backbone."""

    head: Literal["logistic", "mlp"] = "logistic"
    inverse_regularization: Annotated[float, Field(gt=0)] = 0.01
    dense: Annotated[tuple[DenseParams, ...], Field(strict=False)] = (DenseParams(units=256, dropout=0.5),)


class ScheduleParams(Section):
    """Set how the learning rate changes from epoch to epoch."""

    name: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: Annotated[int, Field(ge=0)] = 0
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Count = 3
    floor: Share = 0.0


class AugmentationParams(Section):
    """Set the random changes of training pictures."""

    flip: bool = True
    rotation: Annotated[float, Field(ge=0, le=180)] = 5.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shear: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    erasing: Share = 0.0
    rand_augment: Share = 0.0
    mix: Literal["none", "mixup", "cutmix"] = "none"
    mix_alpha: Annotated[float, Field(gt=0, le=8)] = 0.2


class TrainParams(Section):
    """Choose the model and how it is fitted."""

    model: Literal["cnn", "backbone", "features"] = "features"
    cnn: CnnParams = CnnParams()
    backbone: BackboneParams = BackboneParams()
    features: FeaturesParams = FeaturesParams()
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.004
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    schedule: ScheduleParams = ScheduleParams()
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    class_weights: bool = False
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Count = 30
    batch_size: Count = 32
    patience: Count | None = 6
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    minutes: Annotated[float, Field(gt=0)] | None = None
    augmentation: AugmentationParams = AugmentationParams()
    cross_validation: bool = False
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 7
    threads: Annotated[int, Field(ge=1, le=1024)] = 2
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] = 0.95
