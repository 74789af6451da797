"""The history as a figure."""

from __future__ import annotations

from pixmill.pages.train import curves_figure
from pixmill.train.history import Epoch

HISTORY = [
    Epoch(1, 1.23456789, 0.5, 1.1, 0.6, 0.001),
    Epoch(2, 0.9, 0.7, 0.8, 0.75, 0.001),
    Epoch(3, 0.6, 0.8, 0.9, 0.7, 0.0005),
]


def test_the_figure_shows_both_parts_and_the_best_epoch():
    loss, accuracy, rate = curves_figure(HISTORY).axes
    training, validation, best = loss.lines
    assert training.get_ydata().tolist() == [1.23456789, 0.9, 0.6]
    assert validation.get_ydata().tolist() == [1.1, 0.8, 0.9]
    assert best.get_xdata() == [2, 2]
    assert accuracy.lines[1].get_ydata().tolist() == [0.6, 0.75, 0.7]
    assert rate.lines[0].get_ydata().tolist() == [0.001, 0.001, 0.0005]


def test_the_best_epoch_is_that_of_what_is_watched():
    history = [*HISTORY, Epoch(4, 0.5, 0.9, 1.0, 0.8, 0.0005)]
    assert curves_figure(history, "val_accuracy").axes[0].lines[2].get_xdata() == [4, 4]


def test_a_single_epoch_is_a_point():
    assert curves_figure(HISTORY[:1]).axes[0].lines[0].get_marker() == "o"
