"""The history and the learning curve as figures."""

import dataclasses
from xml.etree import ElementTree

import pytest

from pixmill.pages.train import curves_figure
from pixmill.pages.train.curves import curves_svg, learning_curve_svg
from pixmill.train.history import Epoch
from pixmill.train.learning_curve import Growth, LearningCurve, LearningPoint

HISTORY = (
    Epoch(1, 1.23456789, 0.5, 1.1, 0.6, 0.001),
    Epoch(2, 0.9, 0.7, 0.8, 0.75, 0.001),
    Epoch(3, 0.6, 0.8, 0.9, 0.7, 0.0005),
)
SOLVED = tuple(dataclasses.replace(epoch, learning_rate=None) for epoch in HISTORY)


@pytest.fixture
def trained_with(trained):
    return lambda history, monitor="val_loss": dataclasses.replace(trained, history=history, monitor=monitor)


def test_the_figure_shows_both_splits_and_the_best_epoch(trained_with):
    loss, accuracy, rate = curves_figure(trained_with(HISTORY)).axes
    training, validation, best = loss.lines
    assert training.get_ydata().tolist() == [1.23456789, 0.9, 0.6]
    assert validation.get_ydata().tolist() == [1.1, 0.8, 0.9]
    assert best.get_xdata() == [2, 2]
    assert accuracy.lines[1].get_ydata().tolist() == [0.6, 0.75, 0.7]
    assert rate.lines[0].get_ydata().tolist() == [0.001, 0.001, 0.0005]


def test_the_best_epoch_is_that_of_the_monitor(trained_with):
    history = (*HISTORY, Epoch(4, 0.5, 0.9, 1.0, 0.8, 0.0005))
    assert curves_figure(trained_with(history, "val_accuracy")).axes[0].lines[2].get_xdata() == [4, 4]


def test_a_single_epoch_is_a_point(trained_with):
    assert curves_figure(trained_with(HISTORY[:1])).axes[0].lines[0].get_marker() == "o"


def test_a_solver_has_iterations_and_no_learning_rate(trained_with):
    loss, accuracy = curves_figure(trained_with(SOLVED)).axes
    assert [axes.get_xlabel() for axes in (loss, accuracy)] == ["Iteration of the solver"] * 2
    assert len(loss.lines) == 2


def test_the_learning_curve_shows_accuracy_with_limits_by_number_of_images(trained):
    points = [LearningPoint(share, int(1000 * share), 0.5 + 0.3 * share, 0.4, 0.9) for share in (0.1, 0.4, 1.0)]
    curve = LearningCurve(tuple(points), Growth(0.1, 0.05, 0.15))
    panels = curves_figure(dataclasses.replace(trained, learning_curve=curve)).axes
    assert [axes.get_xlabel() for axes in panels] == ["Epoch", "Epoch", "Epoch", "Training images"]
    line = panels[-1].lines[0]
    assert line.get_xdata().tolist() == [100, 400, 1000]
    assert line.get_ydata().tolist() == pytest.approx([0.53, 0.62, 0.8])
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["100", "400", "1,000"]


@pytest.mark.parametrize(
    ("history", "titles", "x_label", "rules"),
    [
        (HISTORY, ["Loss (cross-entropy)", "Accuracy", "Learning rate (last step)"], "Epoch", 1),
        (SOLVED, ["Loss (cross-entropy)", "Accuracy"], "Iteration of the solver", 0),
    ],
)
def test_the_page_shows_the_same_curves(trained_with, history, titles, x_label, rules):
    curves = dict(curves_svg(trained_with(history)))
    assert list(curves) == titles
    for title, svg in curves.items():
        root = ElementTree.fromstring(svg)
        assert [line.text for line in root.findall("g/title")] == (
            ["training", "validation"] if "rate" not in title else ["last step"]
        )
        assert len(root.findall("path[@class='rule']")) == rules
        labels = [text.text for text in root.findall("text")]
        assert labels[-1] == x_label
        assert ("1" if title == "Accuracy" else "0") in labels


def test_the_page_shows_the_learning_curve_within_its_limits():
    points = [LearningPoint(share, int(20_000 * share), 0.9, 0.8, 0.95) for share in (0.1, 1.0)]
    root = ElementTree.fromstring(learning_curve_svg(LearningCurve(tuple(points), Growth(0.1, 0.05, 0.15))))
    assert len(root.findall("path[@class='band']")) == 1
    assert [text.text for text in root.findall("text")][-3:] == ["2,000", "20,000", "Training images"]
