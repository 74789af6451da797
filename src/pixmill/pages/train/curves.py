"""Curves of a training: loss, accuracy and learning rate by epoch, and accuracy by the number of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.pages.base.chart import Point, lines_svg
from pixmill.train.learning_curve import LearningCurve
from pixmill.train.training import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VAL, _BEST = "#1f6f6b", "#a25c00"
_COLOURS = {"training": "#8a94a6", "validation": _VAL, "last step": _VAL}


def curves_figure(trained: Trained) -> Figure:
    """Draw all curves of a training side by side, for MLflow.

    Args:
        trained: What :func:`pixmill.train.train` returned.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    curves, growth = _curves(trained), trained.learning_curve
    count = len(curves) + (growth is not None)
    figure = Figure(figsize=(14 / 3 * count, 3.6), layout="constrained")
    panels = figure.subplots(1, count)
    for axes, (title, lines) in zip(panels, curves.items(), strict=False):
        for label, points in lines.items():
            # A single epoch makes no line: it is shown as a point.
            axes.plot(*zip(*points, strict=True), "o" if len(points) == 1 else "-", color=_COLOURS[label], label=label)
        if not trained.solved:
            axes.axvline(trained.best.epoch, color=_BEST, linestyle=":", label="best epoch")
        axes.set_ylim(top=1) if _y_end(title) else axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, title, _x_label(trained))
    if growth is not None:
        images, axes = [point.images for point in growth.points], panels[-1]
        low, high, accuracy = ([getattr(each, name) for each in growth.points] for name in ("low", "high", "accuracy"))
        axes.fill_between(images, low, high, color=_VAL, alpha=0.15)
        axes.plot(images, accuracy, "o-", color=_VAL, label="accuracy, 95 % CI")
        axes.set_xscale("log", base=2)
        axes.set_xticks(images, [f"{count:,}" for count in images])
        axes.minorticks_off()
        axes.set_ylim(top=1)
        _finish(axes, "Validation accuracy", "Training images")
    return figure


def curves_svg(trained: Trained) -> list[tuple[str, str]]:
    """Return the title and the ``<svg>`` element of each curve by epoch, for a page.

    Args:
        trained: What :func:`pixmill.train.train` returned.
    """
    rule = None if trained.solved else trained.best.epoch
    return [
        (
            f"{title} (last step)" if "last step" in lines else title,
            lines_svg(lines, name=title, x_label=_x_label(trained), y_end=_y_end(title), rule=rule),
        )
        for title, lines in _curves(trained).items()
    ]


def learning_curve_svg(curve: LearningCurve) -> str:
    """Return validation accuracy with its limits by the number of training images, as an ``<svg>`` element.

    Args:
        curve: The curve.
    """
    return lines_svg(
        {"accuracy": [(point.images, point.accuracy) for point in curve.points]},
        name="Validation accuracy by training images",
        x_label="Training images",
        x_ticks=[point.images for point in curve.points],
        y_end=1,
        band=[(point.images, point.low, point.high) for point in curve.points],
        dots={"accuracy": [0.05] * len(curve.points)},
    )


def _curves(trained: Trained) -> dict[str, dict[str, list[Point]]]:
    """Return the points of each line by the title of its chart and its label; a solver has no learning rate."""

    def points(name: str) -> list[Point]:
        return [(epoch.epoch, getattr(epoch, name)) for epoch in trained.history]

    curves = {
        title: {"training": points(f"train_{name}"), "validation": points(f"val_{name}")}
        for title, name in (("Loss (cross-entropy)", "loss"), ("Accuracy", "accuracy"))
    }
    return curves if trained.solved else {**curves, "Learning rate": {"last step": points("learning_rate")}}


def _x_label(trained: Trained) -> str:
    return "Iteration of the solver" if trained.solved else "Epoch"


def _y_end(title: str) -> int:
    """Return the value that an axis must reach: the best accuracy, or nothing."""
    return int(title == "Accuracy")


def _finish(axes: Axes, title: str, x_label: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.grid(visible=True, color="#dedbd2", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
