"""Curves as figures: loss, accuracy and learning rate by epoch, and accuracy by the number of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.train.learning_curve import LearningCurve
from pixmill.train.training import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = {"loss": "Loss (cross-entropy)", "accuracy": "Accuracy", "learning_rate": "Learning rate"}
_TRAIN, _VAL, _BEST = "#8a94a6", "#1f6f6b", "#a25c00"


def curves_figure(trained: Trained) -> Figure:
    """Draw all curves of a training side by side, for MLflow.

    Args:
        trained: What :func:`pixmill.train.train` returned.
    """
    from matplotlib.figure import Figure

    names, curve = curve_names(trained), trained.learning_curve
    count = len(names) + (curve is not None)
    figure = Figure(figsize=(14 / 3 * count, 3.6), layout="constrained")
    panels = figure.subplots(1, count)
    for axes, name in zip(panels, names, strict=False):
        _draw(axes, trained, name)
    if curve is not None:
        _draw_learning_curve(panels[-1], curve)
    return figure


def curve_names(trained: Trained) -> list[str]:
    """Return which curves there are: a solver has no learning rate."""
    return [name for name in _TITLES if name != "learning_rate" or not trained.solved]


def curve_figure(trained: Trained, name: str) -> Figure:
    """Draw one of them, for a page where they stand beside or beneath each other.

    Args:
        trained: What :func:`pixmill.train.train` returned.
        name: ``loss``, ``accuracy`` or ``learning_rate``.
    """
    figure, axes = _small()
    _draw(axes, trained, name)
    return figure


def learning_curve_figure(curve: LearningCurve) -> Figure:
    """Draw validation accuracy with its limits by the number of training images.

    Args:
        curve: The curve.
    """
    figure, axes = _small()
    _draw_learning_curve(axes, curve)
    return figure


def _draw_learning_curve(axes: Axes, curve: LearningCurve) -> None:
    images = [point.images for point in curve.points]
    axes.fill_between(
        images, [point.low for point in curve.points], [point.high for point in curve.points], color=_VAL, alpha=0.15
    )
    axes.plot(images, [point.accuracy for point in curve.points], "o-", color=_VAL, label="accuracy, 95 % CI")
    axes.set_xscale("log", base=2)
    axes.set_xticks(images, [f"{count:,}" for count in images])
    axes.minorticks_off()
    axes.set_ylim(top=1)
    _finish(axes, "Validation accuracy", "Training images")


def _small() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    return figure, figure.subplots()


def _draw(axes: Axes, trained: Trained, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    history = trained.history
    epochs = [epoch.epoch for epoch in history]
    # A single epoch makes no line: it is shown as a point.
    style = "o" if len(history) == 1 else "-"
    if name == "learning_rate":
        axes.plot(epochs, [epoch.learning_rate or 0.0 for epoch in history], style, color=_VAL, label="last step")
    else:
        axes.plot(epochs, [getattr(epoch, f"train_{name}") for epoch in history], style, color=_TRAIN, label="training")
        axes.plot(epochs, [getattr(epoch, f"val_{name}") for epoch in history], style, color=_VAL, label="validation")
    if not trained.solved:
        axes.axvline(trained.best.epoch, color=_BEST, linestyle=":", label="best epoch")
    if name == "accuracy":
        axes.set_ylim(top=1)
    else:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axes, _TITLES[name], "Iteration of the solver" if trained.solved else "Epoch")


def _finish(axes: Axes, title: str, x_label: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.grid(visible=True, color="#dedbd2", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
