"""The stage's page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from pixmill.params import TrainParams, flat
from pixmill.report import figure_svg, render_page
from pixmill.train.curves import curve_figure
from pixmill.train.folds import fold_metrics
from pixmill.train.training import Trained

if TYPE_CHECKING:
    import keras

__all__ = ["render_report"]

_BACKBONES = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3 Small",
    "mobilenet_v3_large": "MobileNetV3 Large",
    "efficientnet_v2_b0": "EfficientNetV2-B0",
    "efficientnet_v2_b1": "EfficientNetV2-B1",
    "efficientnet_v2_b2": "EfficientNetV2-B2",
    "efficientnet_v2_b3": "EfficientNetV2-B3",
    "efficientnet_v2_s": "EfficientNetV2-S",
    "resnet50": "ResNet50",
    "convnext_tiny": "ConvNeXt-Tiny",
}
"""The names that their papers gave them."""


def render_report(trained: Trained, params: TrainParams) -> str:
    """Return ``reports/train.html``: what the model is, how the training went, and with which params.

    Args:
        trained: What :func:`pixmill.train.train` returned.
        params: The section ``train``.
    """
    drawn = () if trained.solved else ("loss", "accuracy", "learning_rate")
    sheet = base64.b64encode(trained.samples.sheet()).decode("ascii")
    return render_page(
        "pixmill.train",
        "report.html",
        kind=_kind(params),
        overfitting=_against_overfitting(params),
        best=trained.best,
        solved=trained.solved,
        epochs=len(trained.history),
        most=params.epochs,
        monitor={"val_loss": "loss", "val_accuracy": "accuracy"}[params.monitor],
        kept={"val_loss": "lowest", "val_accuracy": "highest"}[params.monitor],
        parameters=trained.parameters,
        trainable=trained.trainable,
        labels=trained.labels,
        pictures=trained.pictures,
        **trained.preprocessing,
        curves=[figure_svg(curve_figure(trained.history, name, params.monitor)) for name in drawn],
        folds=[
            (f"Fold {fold.number + 1}", f"{100 * fold.accuracy:.1f} %", f"{fold.loss:.3f}") for fold in trained.folds
        ],
        together=fold_metrics(trained.folds).get("folds"),
        sheet=f"data:image/png;base64,{sheet}",
        shown=trained.samples.labels,
        changed=params.model != "features",
        layers=[_layer(layer) for layer in trained.classifier.layers],
        params=[(name, _shown(value)) for name, value in flat(params).items() if _counts(name, params)],
    )


def _kind(params: TrainParams) -> str:
    """Say in a few words what the model is."""
    if params.model == "cnn":
        count = sum(block.convolutions for block in params.cnn.blocks)
        return f"A plain convolutional network of {count} convolutions, fitted from nothing"
    backbone = _BACKBONES[params.backbone.name]
    learnt = "not fitted to anything before" if params.backbone.weights == "none" else "pretrained"
    if params.model == "features":
        head = {"logistic": "a logistic regression", "mlp": "a small network"}[params.features.head]
        return f"{backbone}, {learnt} and left as it is, with {head} fitted to its features"
    unfrozen = {0: "left as it is", "all": "fitted further in all its layers"}.get(
        params.backbone.unfreeze, f"fitted further in its last {params.backbone.unfreeze} layers"
    )
    return f"{backbone}, {learnt} and {unfrozen}, with a new end"


def _against_overfitting(params: TrainParams) -> tuple[str, str]:
    """Name the param that holds this model back from learning pictures by heart, and what to do with it."""
    return {
        "cnn": ("a dropout in", "train.cnn.dense"),
        "backbone": ("a higher", "train.backbone.dropout"),
        "features": ("a lower", "train.features.inverse_regularization")
        if params.features.head == "logistic"
        else ("a dropout in", "train.features.dense"),
    }[params.model]


_SOLVED = ("model", "backbone.", "features.head", "features.inverse_regularization", "class_weights", "cross_", "seed")
"""What has a say in a logistic regression, beside the threads."""

_FROZEN = ("backbone.unfreeze", "backbone.rate_factor", "backbone.dense", "backbone.dropout")
"""What has none where there are features of a backbone alone."""


def _counts(name: str, params: TrainParams) -> bool:
    """Tell whether a param has any say: the others would only fill the table."""
    if params.model == "features" and params.features.head == "logistic":
        return name.startswith((*_SOLVED, "threads")) and not name.startswith(_FROZEN)
    silent = {
        "cnn": ("backbone.", "features."),
        "backbone": ("cnn.", "features."),
        "features": ("cnn.", "augmentation.", "features.inverse_", *_FROZEN),
    }[params.model]
    if params.optimizer != "sgd":
        silent += ("momentum",)
    if params.optimizer != "adamw":
        silent += ("weight_decay",)
    if params.schedule.name != "plateau":
        silent += ("schedule.factor", "schedule.patience")
    return not name.startswith(silent)


def _layer(layer: keras.layers.Layer) -> tuple[str, str, str]:
    # No-break spaces: a shape stays on one line.
    shape = "\u00a0\u00d7\u00a0".join(str(side) for side in layer.output.shape[1:])
    return layer.name, shape, f"{layer.count_params():,}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
