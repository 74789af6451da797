import re
from xml.etree import ElementTree

import pytest

from pixmill.evaluate.charts import curve_svg

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
    _, root = drawn(dots=[0, 0.5, 1], mark=(0.5, 0.75), guide=((0, 0), (1, 1)))
    kinds = [part.get("class") for part in root.iter("circle")]
    assert kinds == ["dot"] * 3 + ["ring"]
    radii = [float(part.get("r")) for part in root.iter("circle")][:3]
    assert radii == sorted(set(radii))
    ring = list(root.iter("circle"))[-1]
    assert (float(ring.get("cx")), float(ring.get("cy"))) == places(root)[1]


def test_its_name_is_escaped_and_nothing_to_draw_breaks_nothing():
    text, root = drawn([])
    assert root.get("aria-label") == "a <b> & c"
    assert "line" not in [part.get("class") for part in root.iter("path")]
    assert text == drawn([])[0]
