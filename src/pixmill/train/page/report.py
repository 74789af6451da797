"""The page ``reports/train.html``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.core.params import TrainParams
from pixmill.core.params.reference import plain
from pixmill.metrics.growth import UNMEASURED
from pixmill.models.networks import describe_model
from pixmill.pages import lines_svg, render_page
from pixmill.pages.chart import Point
from pixmill.train.folds import fold_metrics
from pixmill.train.learning_curve import LearningCurve
from pixmill.train.page.samples import Samples
from pixmill.train.training import Trained
from pixmill.train.training_key import deciding_params

if TYPE_CHECKING:
    import keras


def render_report(
    trained: Trained, params: TrainParams, samples: Samples, *, root: Path | None = None
) -> str:
    """Return the HTML of ``reports/train.html``.

    Args:
        trained: Result of :func:`pixmill.train.train`.
        params: The section ``train``.
        samples: Training images, as packed and as augmented.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    sheet = base64.b64encode(samples.sheet()).decode("ascii")
    growth = trained.learning_curve
    return render_page(
        "pixmill.train.page",
        "page.html",
        root=root,
        trained=trained,
        params=params,
        kind=describe_model(params),
        overfitting=params.kind.against_overfitting,
        curves=curves_svg(trained),
        growth=growth and learning_curve_svg(growth),
        more=_more(trained),
        together=fold_metrics(trained.folds).get("folds"),
        sheet=f"data:image/jpeg;base64,{sheet}",
        samples=samples,
        layers=[_layer(layer) for layer in trained.classifier.layers],
        deciding=[(name, plain(value)) for name, value in deciding_params(params).items()],
    )


def _more(trained: Trained) -> str:
    """Return whether more images would help; empty where no head could measure it."""
    if not trained.head.has_learning_curve:
        return ""
    curve = trained.learning_curve
    return curve.growth.sentence() if curve else UNMEASURED


def curves_svg(trained: Trained) -> list[tuple[str, str]]:
    """Return title and ``<svg>`` element of each curve by epoch; a solver has no learning rate.

    Args:
        trained: Result of :func:`pixmill.train.train`.
    """

    def points(name: str) -> list[Point]:
        return [(epoch.epoch, getattr(epoch, name)) for epoch in trained.history]

    accuracy = trained.head.accuracy_name.capitalize()
    held_out = "cross-validated" if trained.cross_fitted else "validation"
    curves = {
        title: {"training": points(f"train_{name}"), held_out: points(f"val_{name}")}
        for title, name in (("Loss (cross-entropy)", "loss"), (accuracy, "accuracy"))
    }
    if not trained.solved:
        curves["Learning rate (last step)"] = {"last step": points("learning_rate")}
    label, rule = (
        ("Iteration of the solver", None) if trained.solved else ("Epoch", trained.best.epoch)
    )
    return [
        (
            title,
            lines_svg(lines, name=title, x_label=label, y_end=int(title == accuracy), rule=rule),
        )
        for title, lines in curves.items()
    ]


def learning_curve_svg(curve: LearningCurve) -> str:
    """Return accuracy and its CI by number of images, as an ``<svg>`` element."""
    return lines_svg(
        {"accuracy": [(point.images, point.accuracy) for point in curve.points]},
        name="Accuracy by number of images",
        x_label="Images that the model was fitted to",
        x_ticks=[point.images for point in curve.points],
        y_end=1,
        band=[(point.images, point.low, point.high) for point in curve.points],
        dots={"accuracy": [0.05] * len(curve.points)},
    )


def _layer(layer: keras.layers.Layer) -> tuple[str, str, str]:
    # The encoder of a transformer also returns the outputs of its blocks.
    output = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
    # No-break spaces keep a shape on one line.
    shape = "\u00a0\u00d7\u00a0".join(str(side) for side in output.shape[1:])
    return layer.name, shape, f"{layer.count_params():,}"
