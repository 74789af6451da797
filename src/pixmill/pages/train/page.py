"""The stage's page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from pixmill.core.params import TrainParams
from pixmill.learn.backbones import APPLICATIONS
from pixmill.pages.base import figure_svg, render_page
from pixmill.pages.train.curves import curve_figure
from pixmill.pages.train.samples import Samples
from pixmill.train.folds import fold_metrics
from pixmill.train.training import Trained
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    import keras

__all__ = ["render_report"]


def render_report(trained: Trained, params: TrainParams, samples: Samples) -> str:
    """Return ``reports/train.html``: what the model is, how the training went, and with which params.

    Args:
        trained: What :func:`pixmill.train.train` returned.
        params: The section ``train``.
        samples: Training images as the model saw them.
    """
    drawn = () if trained.solved else ("loss", "accuracy", "learning_rate")
    sheet = base64.b64encode(samples.sheet()).decode("ascii")
    return render_page(
        "pixmill.pages.train",
        "page.html",
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
        shown=samples.labels,
        changed=params.model != "features",
        layers=[_layer(layer) for layer in trained.classifier.layers],
        params=[(name, _shown(value)) for name, value in deciding_params(params).items()],
    )


def _kind(params: TrainParams) -> str:
    """Say in a few words what the model is."""
    if params.model == "cnn":
        count = sum(block.convolutions for block in params.cnn.blocks)
        return f"A plain convolutional network of {count} convolutions, fitted from nothing"
    name = params.backbone.name
    backbone = APPLICATIONS[name].builder if name in APPLICATIONS else "EfficientNet-Lite0"
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
