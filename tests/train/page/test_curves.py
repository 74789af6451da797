"""Charts of the history and the learning curve."""

import dataclasses
from xml.etree import ElementTree

import pytest

from pixmill.train.history import Epoch
from pixmill.train.learning_curve import Growth, LearningCurve, LearningPoint
from pixmill.train.page.report import curves_svg, learning_curve_svg

HISTORY = (
    Epoch(1, 1.23456789, 0.5, 1.1, 0.6, 0.001),
    Epoch(2, 0.9, 0.7, 0.8, 0.75, 0.001),
    Epoch(3, 0.6, 0.8, 0.9, 0.7, 0.0005),
)
SOLVED = tuple(dataclasses.replace(epoch, learning_rate=None) for epoch in HISTORY)


@pytest.fixture
def trained_with(trained):
    return lambda history, monitor="val_loss": dataclasses.replace(
        trained, history=history, monitor=monitor
    )


@pytest.mark.parametrize(
    ("history", "titles", "x_label", "rules"),
    [
        (HISTORY, ["Loss (cross-entropy)", "Accuracy", "Learning rate (last step)"], "Epoch", 1),
        (SOLVED, ["Loss (cross-entropy)", "Accuracy"], "Iteration of the solver", 0),
    ],
)
def test_curves_of_epochs_and_iterations(trained_with, history, titles, x_label, rules):
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


def test_learning_curve_has_a_band():
    points = [LearningPoint(share, int(20_000 * share), 0.9, 0.8, 0.95) for share in (0.1, 1.0)]
    root = ElementTree.fromstring(
        learning_curve_svg(LearningCurve(tuple(points), Growth(0.1, 0.05, 0.15)))
    )
    assert len(root.findall("path[@class='band']")) == 1
    assert [text.text for text in root.findall("text")][-3:] == [
        "2,000",
        "20,000",
        "Images that the model was fitted to",
    ]
