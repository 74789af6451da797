"""Figures and curves show their numbers, in the same bytes each time."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pixmill.pages.base import figure_png, figure_svg
from pixmill.pages.evaluate.figures import (
    confusion_figure,
    curve_svg,
    sheet_figure,
)

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


def test_many_classes_stay_small_enough_for_a_page():
    labels = [f"class {number}" for number in range(60)]
    assert len(figure_svg(confusion_figure(np.full((60, 60), 3), labels))) < 1_000_000


def test_names_of_hundreds_of_classes_do_not_overlap():
    figure = confusion_figure(np.eye(300, dtype=np.int64), [f"class {number}" for number in range(300)])
    (axes,) = figure.axes
    assert max(label.get_fontsize() for label in axes.get_yticklabels()) <= 72 * figure.get_size_inches()[1] / 300


def sheet():
    return sheet_figure([(np.full((8, 8, 3), number, np.uint8), f"title {number}") for number in range(8)])


def test_the_contact_sheet_has_one_panel_an_image_in_their_order():
    shown = [(axes.images[0].get_array()[0, 0, 0], axes.get_title()) for axes in sheet().axes if axes.images]
    assert shown == [(number, f"title {number}") for number in range(8)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion_figure(MATRIX, LABELS),
        sheet,
    ],
    ids=["confusion", "sheet"],
)
def test_a_figure_is_the_same_bytes_each_time(draw):
    assert figure_svg(draw()) == figure_svg(draw())
    assert figure_png(draw()) == figure_png(draw())


POINTS = [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)]


def drawn(points=POINTS, **options):
    text = curve_svg(points, name="a <b> & c", x_label="x", y_label="y", **options)
    return text, ElementTree.fromstring(text)


def places(root):
    (line,) = [part for part in root.iter("path") if part.get("class") == "line"]
    return [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", line.get("d"))]


def test_the_curve_runs_from_left_to_right_and_up():
    first, second, last = places(drawn()[1])
    assert first[0] < second[0] < last[0]
    assert first[1] > second[1] > last[1]
    assert second[0] == pytest.approx((first[0] + last[0]) / 2)


def test_the_upright_axis_may_begin_higher():
    _, low = drawn()
    _, high = drawn(y_low=0.5)
    assert places(high)[0][1] > places(low)[0][1]
    assert "50 %" in [text.text for text in high.iter("text")]


def test_what_is_below_the_axis_lies_on_it():
    assert places(drawn([(0, 0.1), (1, 0.5)], y_low=0.5)[1])[0][1] == places(drawn([(0, 0.5)], y_low=0.5)[1])[0][1]


def test_weights_are_dots_and_a_mark_is_ringed():
    _, root = drawn(dots=[0, 0.5, 1], mark=(0.5, 0.75))
    kinds = [part.get("class") for part in root.iter("circle")]
    assert kinds == ["dot"] * 3 + ["ring"]
    radii = [float(part.get("r")) for part in root.iter("circle")][:3]
    assert radii == sorted(set(radii))
    *_, middle, _, ring = root.iter("circle")
    assert (ring.get("cx"), ring.get("cy")) == (middle.get("cx"), middle.get("cy"))
    assert "line" not in [part.get("class") for part in root.iter("path")]


def test_its_name_is_escaped_and_nothing_to_draw_breaks_nothing():
    text, root = drawn([])
    assert root.get("aria-label") == "a <b> & c"
    assert "line" not in [part.get("class") for part in root.iter("path")]
    assert text == drawn([])[0]
