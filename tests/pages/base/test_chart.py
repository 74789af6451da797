"""Curves show their numbers, in the same bytes each time."""

import re
from xml.etree import ElementTree

import pytest

from pixmill.pages.base import lines_svg

POINTS = [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)]


def drawn(points=POINTS, *, y_low=0.0, **options):
    text = lines_svg({"line": points}, name="a <b> & c", x_label="x", y_label="y", y_low=y_low, **options)
    return text, ElementTree.fromstring(text)


def places(root):
    (line,) = root.findall("g/path")
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
    _, root = drawn(dots={"line": [0, 0.5, 1]}, mark=(0.5, 0.75))
    radii = [float(dot.get("r")) for dot in root.findall("g/circle")]
    assert radii == sorted(set(radii))
    assert len(radii) == 3
    (ring,) = root.findall("circle")
    middle = root.findall("g/circle")[1]
    assert (ring.get("cx"), ring.get("cy")) == (middle.get("cx"), middle.get("cy"))
    assert "guide" in [part.get("class") for part in root.iter("path")]


def test_its_name_is_escaped_and_nothing_to_draw_breaks_nothing():
    text, root = drawn([])
    assert root.get("aria-label") == "a <b> & c"
    assert root.findall("g/path") == []
    assert text == drawn([])[0]


def test_without_shares_the_axes_enclose_the_points_with_round_numbers():
    root = ElementTree.fromstring(
        lines_svg({"base": [(1, 0.31), (7, 1.9)], "head": [(1, 0.4)]}, name="loss", x_label="epoch", y_low=None)
    )
    assert [part.text for part in root.findall("text")][:-1] == ["0", "0.5", "1", "1.5", "2", "0", "2", "4", "6", "8"]
    assert [group.get("class") for group in root.findall("g")] == ["line l0", "line l1"]
    assert root.findall("g/circle") == []
