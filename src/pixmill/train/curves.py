"""The history as a figure and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pixmill.files import significant
from pixmill.train.history import Epoch, best_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "curves_csv", "curves_figure"]

_COLUMNS = ("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy")
_TITLES = {"loss": "Loss (cross-entropy)", "accuracy": "Accuracy"}
_TRAIN, _VAL, _BEST = "#8a94a6", "#1f6f6b", "#a25c00"


def curves_csv(history: Sequence[Epoch]) -> str:
    """Return one line an epoch, to six significant digits, with Unix line ends."""
    lines = [",".join(_COLUMNS)]
    for epoch in history:
        figures = significant(asdict(epoch))
        lines.append(",".join(str(figures[name]) for name in _COLUMNS))
    return "\n".join(lines) + "\n"


def curves_figure(history: Sequence[Epoch]) -> Figure:
    """Draw loss and accuracy side by side over the epochs, the best epoch marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _draw(loss, history, "loss")
    _draw(accuracy, history, "accuracy")
    return figure


def curve_figure(history: Sequence[Epoch], name: str) -> Figure:
    """Draw one of the two, for a page where they stand beside or beneath each other.

    Args:
        history: The figures of each epoch.
        name: ``loss`` or ``accuracy``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    _draw(figure.subplots(), history, name)
    return figure


def _draw(axes: Axes, history: Sequence[Epoch], name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [epoch.epoch for epoch in history]
    # A single epoch makes no line: it is shown as a point.
    style = "o" if len(history) == 1 else "-"
    axes.plot(epochs, [getattr(epoch, f"train_{name}") for epoch in history], style, color=_TRAIN, label="training")
    axes.plot(epochs, [getattr(epoch, f"val_{name}") for epoch in history], style, color=_VAL, label="validation")
    axes.axvline(best_of(history).epoch, color=_BEST, linestyle=":", label="best epoch")
    if name == "loss":
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(top=1)
    axes.set_title(_TITLES[name], fontsize=11)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="#dedbd2", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
