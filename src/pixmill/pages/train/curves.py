"""Curves of a training: loss, accuracy and learning rate by epoch, and accuracy by the number of images."""

from __future__ import annotations

from pixmill.pages.base.chart import Point, lines_svg
from pixmill.train.learning_curve import LearningCurve
from pixmill.train.training import Trained


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
