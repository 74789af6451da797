"""Figures and curves show their numbers, in the same bytes each time."""

import numpy as np
import pytest

from pixmill.pages.base import figure_png
from pixmill.pages.evaluate.figures import confusion_figure, sheet_figure

MATRIX = np.array([[40, 2, 0], [5, 30, 1], [0, 0, 1200]])
LABELS = ["coat", "dress", "sneaker"]


def test_every_count_but_zero_stands_in_its_cell():
    (axes,) = confusion_figure(MATRIX, LABELS).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {
        (0.5, 0.5): "40",
        (1.5, 0.5): "2",
        (0.5, 1.5): "5",
        (1.5, 1.5): "30",
        (2.5, 1.5): "1",
        (2.5, 2.5): "1,200",
    }
    assert [tick.get_text() for tick in axes.get_yticklabels()] == LABELS


def test_the_first_class_is_on_top():
    (axes,) = confusion_figure(MATRIX, LABELS).axes
    assert axes.yaxis_inverted()


def test_a_class_without_an_image_is_an_empty_row():
    (axes,) = confusion_figure(np.array([[3, 0], [0, 0]]), ["a", "b"]).axes
    assert [text.get_text() for text in axes.texts] == ["3"]


def test_names_of_hundreds_of_classes_do_not_overlap():
    figure = confusion_figure(np.eye(300, dtype=np.int64), [f"class {number}" for number in range(300)])
    (axes,) = figure.axes
    assert max(label.get_fontsize() for label in axes.get_yticklabels()) <= 72 * figure.get_size_inches()[1] / 300


def sheet():
    return sheet_figure([(np.full((8, 8, 3), number, np.uint8), f"title {number}") for number in range(8)])


def test_the_contact_sheet_has_one_panel_an_image_in_their_order():
    shown = [(axes.images[0].get_array()[0, 0, 0], axes.get_title()) for axes in sheet().axes if axes.images]
    assert shown == [(number, f"title {number}") for number in range(8)]


@pytest.mark.parametrize("draw", [lambda: confusion_figure(MATRIX, LABELS), sheet], ids=["confusion", "sheet"])
def test_a_figure_is_the_same_bytes_each_time(draw):
    assert figure_png(draw()) == figure_png(draw())
