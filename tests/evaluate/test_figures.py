import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.figures import (
    confusion_figure,
    coverage_figure,
    mistakes_figure,
    reliability_figure,
    sheet_figure,
)
from pixmill.evaluate.mistakes import Mistake
from pixmill.report import figure_png, figure_svg

RELIABILITY = pd.DataFrame({"confidence": [0.6, 0.9], "accuracy": [0.5, 0.95], "n": [10, 230]})
COVERAGE = pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [1.0, 0.6]})
MATRIX = np.array([[40, 2, 0], [5, 30, 1], [0, 0, 1200]])
LABELS = ["coat", "dress", "sneaker"]


def mistake(number):
    return Mistake(f"{number:064}", "coat", "dress", 0.87, 0.1, np.full((8, 8, 3), number, np.uint8))


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)]


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


def test_a_class_without_a_picture_is_an_empty_row():
    (axes,) = confusion_figure(np.array([[3, 0], [0, 0]]), ["a", "b"]).axes
    assert [text.get_text() for text in axes.texts] == ["3"]


def test_many_classes_stay_small_enough_for_a_page():
    labels = [f"class {number}" for number in range(60)]
    assert len(figure_svg(confusion_figure(np.full((60, 60), 3), labels))) < 1_000_000


def test_of_very_many_classes_the_matrix_stays_a_picture_that_can_be_drawn():
    figure = confusion_figure(np.eye(300, dtype=np.int64), [f"class {number}" for number in range(300)])
    assert max(figure.get_size_inches()) < 62
    (axes,) = figure.axes
    heights = {label.get_fontsize() for label in axes.get_yticklabels()}
    # Names that are no higher than a cell do not run into each other.
    assert max(heights) <= 72 * 60 / 300


def test_the_contact_sheet_has_one_panel_a_mistake_in_their_order():
    figure = mistakes_figure([mistake(number) for number in range(8)])
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes if axes.images]
    assert shown == list(range(8))
    assert texts(figure)[0] == "dress 87 %\nis coat"


def test_without_a_mistake_the_sheet_says_so():
    figure = mistakes_figure([])
    assert [text.get_text() for text in figure.texts] == ["no mistake"]


def test_a_sheet_of_nothing_says_what_it_is_told_to():
    assert [text.get_text() for text in sheet_figure([], empty="no doubt").texts] == ["no doubt"]


def test_the_more_pictures_a_dot_stands_for_the_larger_it_is():
    (axes,) = reliability_figure(RELIABILITY).axes
    few, many = axes.collections[0].get_sizes()
    assert few < many
    assert axes.collections[0].get_offsets().tolist() == [[0.6, 0.5], [0.9, 0.95]]


def test_the_whole_curve_is_within_its_axes():
    (axes,) = coverage_figure(COVERAGE).axes
    low, high = axes.get_ylim()
    assert low < 0.6
    assert high > 1


@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion_figure(MATRIX, LABELS),
        lambda: mistakes_figure([mistake(3)]),
        lambda: reliability_figure(RELIABILITY),
        lambda: coverage_figure(COVERAGE),
    ],
    ids=["confusion", "mistakes", "reliability", "coverage"],
)
def test_a_figure_is_the_same_bytes_each_time(draw):
    assert figure_svg(draw()) == figure_svg(draw())
    assert figure_png(draw()) == figure_png(draw())
