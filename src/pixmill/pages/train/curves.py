"""The history as a figure: loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixmill.train.history import Epoch, Monitor, best_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "curves_figure"]

_TITLES = {"loss": "Loss (cross-entropy)", "accuracy": "Accuracy", "learning_rate": "Learning rate"}
_TRAIN, _VAL, _BEST = "#8a94a6", "#1f6f6b", "#a25c00"


def curves_figure(history: Sequence[Epoch], monitor: Monitor = "val_loss") -> Figure:
    """Draw loss, accuracy and learning rate side by side over the epochs, the best epoch marked.

    Args:
        history: The figures of each epoch.
        monitor: What tells the best one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(_TITLES)), _TITLES, strict=True):
        _draw(axes, history, name, monitor)
    return figure


def curve_figure(history: Sequence[Epoch], name: str, monitor: Monitor = "val_loss") -> Figure:
    """Draw one of them, for a page where they stand beside or beneath each other.

    Args:
        history: The figures of each epoch.
        name: ``loss``, ``accuracy`` or ``learning_rate``.
        monitor: What tells the best epoch.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    _draw(figure.subplots(), history, name, monitor)
    return figure


def _draw(axes: Axes, history: Sequence[Epoch], name: str, monitor: Monitor) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [epoch.epoch for epoch in history]
    # A single epoch makes no line: it is shown as a point.
    style = "o" if len(history) == 1 else "-"
    if name == "learning_rate":
        axes.plot(epochs, [epoch.learning_rate or 0.0 for epoch in history], style, color=_VAL, label="last step")
    else:
        axes.plot(epochs, [getattr(epoch, f"train_{name}") for epoch in history], style, color=_TRAIN, label="training")
        axes.plot(epochs, [getattr(epoch, f"val_{name}") for epoch in history], style, color=_VAL, label="validation")
    axes.axvline(best_of(history, monitor).epoch, color=_BEST, linestyle=":", label="best epoch")
    if name == "accuracy":
        axes.set_ylim(top=1)
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(_TITLES[name], fontsize=11)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="#dedbd2", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
