"""The stage's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixmill.params import TrainParams, flat
from pixmill.report import figure_svg, render_page
from pixmill.train.curves import curve_figure
from pixmill.train.training import Trained

if TYPE_CHECKING:
    import keras

__all__ = ["render_report"]


def render_report(trained: Trained, params: TrainParams) -> str:
    """Return ``reports/train.html``: how the training went, what was trained, and with which params.

    Args:
        trained: What :func:`pixmill.train.train` returned.
        params: The section ``train``.
    """
    return render_page(
        "pixmill.train",
        "report.html",
        best=trained.best,
        epochs=len(trained.history),
        most=params.epochs,
        parameters=trained.classifier.count_params(),
        labels=trained.labels,
        pictures=trained.pictures,
        image_size=trained.image_size,
        aspect=trained.aspect,
        curves=[figure_svg(curve_figure(trained.history, name)) for name in ("loss", "accuracy")],
        layers=[_layer(layer) for layer in trained.classifier.layers],
        params=[(name, _shown(value)) for name, value in flat(params).items()],
    )


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
