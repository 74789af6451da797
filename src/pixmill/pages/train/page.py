"""The stage's page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pixmill.core.params import TrainParams
from pixmill.core.params.reference import plain
from pixmill.learn.networks import describe_model
from pixmill.metrics.growth import UNMEASURED
from pixmill.pages.base import render_page
from pixmill.pages.train.curves import curves_svg, learning_curve_svg
from pixmill.pages.train.samples import Samples
from pixmill.train.folds import fold_metrics
from pixmill.train.training import Trained
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    import keras


def render_report(trained: Trained, params: TrainParams, samples: Samples) -> str:
    """Return ``reports/train.html``: what the model is, how the training went, and with which params.

    Args:
        trained: What :func:`pixmill.train.train` returned.
        params: The section ``train``.
        samples: Training images as the model saw them.
    """
    sheet = base64.b64encode(samples.sheet()).decode("ascii")
    growth = trained.learning_curve
    return render_page(
        "pixmill.pages.train",
        "page.html",
        trained=trained,
        params=params,
        kind=describe_model(params),
        overfitting=_against_overfitting(params),
        regularization=trained.regularization,
        curves=curves_svg(trained),
        growth=growth and learning_curve_svg(growth),
        more=growth.growth.sentence() if growth else UNMEASURED,
        points=growth.points if growth else (),
        folds=trained.folds,
        together=fold_metrics(trained.folds).get("folds"),
        sheet=f"data:image/jpeg;base64,{sheet}",
        samples=samples,
        layers=[_layer(layer) for layer in trained.classifier.layers],
        deciding=[(name, plain(value)) for name, value in deciding_params(params).items()],
    )


def _against_overfitting(params: TrainParams) -> tuple[str, str] | None:
    """Name the param that regularizes this model, and what to do with it; ``None`` where a path tells."""
    return {
        "cnn": ("dropout in", "train.cnn.dense"),
        "backbone": ("a higher", "train.backbone.dropout"),
        "features": None if params.features.head == "logistic" else ("dropout in", "train.features.dense"),
    }[params.model]


def _layer(layer: keras.layers.Layer) -> tuple[str, str, str]:
    # No-break spaces: a shape stays on one line.
    # A transformer's encoder also returns the outputs of its blocks.
    output = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
    shape = "\u00a0\u00d7\u00a0".join(str(side) for side in output.shape[1:])
    return layer.name, shape, f"{layer.count_params():,}"
