"""SVG charts."""

import re
from xml.etree import ElementTree

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pixmill.pages import coverage_svg, histogram_svg, interval_svg, lines_svg, reliability_svg

SHARES = [0.0, 0.5, 1.0]


def drawn(points, **options):
    return ElementTree.fromstring(lines_svg({"line": points}, name="a", x_label="x", **options))


def places(root, of="g/path"):
    (line,) = root.findall(of)
    return [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", line.get("d"))]


def words(root):
    return [text.text for text in root.findall("text")]


def boxes(svg):
    return [dict(node.attrib) for node in ElementTree.fromstring(svg).iter("rect")]


def test_dots_grow_with_the_number_of_images_and_a_mark_lies_on_the_line():
    table = pd.DataFrame(
        {"confidence": SHARES, "coverage": SHARES, "accuracy": [0.5, 0.75, 1.0], "n": [1, 5, 9]}
    )
    root = ElementTree.fromstring(reliability_svg({"line": table}, name="a <b> & c"))
    radii = [float(dot.get("r")) for dot in root.findall("g/circle")]
    assert radii == sorted(set(radii))
    assert len(radii) == 3
    assert "guide" in [part.get("class") for part in root.iter("path")]
    root = ElementTree.fromstring(coverage_svg({"line": table}, {"line": (0.5, 0.75)}, name="a"))
    (mark,) = root.findall("g/circle")
    assert (float(mark.get("cx")), float(mark.get("cy"))) == places(root)[1]


def test_axis_has_whole_numbers_and_includes_y_end():
    root = drawn([(1, 0.6), (2, 0.7)], y_end=1, rule=2)
    assert words(root)[:-1] == ["0.6", "0.7", "0.8", "0.9", "1", "1", "2"]
    assert places(root, "path[@class='rule']")[0][0] == places(root)[1][0]


def test_bar_heights_are_proportional_to_counts():
    svg = histogram_svg(
        [0, 1, 2, 4], {"kept": [1, 0, 4], "<dropped>": [1, 0, 0]}, name='"><script>'
    )
    first, above, last = boxes(svg)
    assert [box["class"] for box in (first, above, last)] == ["s0", "s1", "s0"]
    assert float(first["height"]) == float(above["height"])
    assert abs(float(last["height"]) - 4 * float(first["height"])) < 0.3
    assert float(first["y"]) + float(first["height"]) == float(last["y"]) + float(last["height"])
    assert abs(float(above["y"]) + float(above["height"]) - float(first["y"])) < 0.11
    assert "0 to 1, 1 kept, 1 &lt;dropped&gt;" in svg
    assert "<script" not in svg


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_non_empty_bins_are_visible_and_inside(counts):
    svg = histogram_svg([float(edge) for edge in range(len(counts) + 1)], {"n": counts}, name="any")
    shown = boxes(svg)
    assert len(shown) == sum(1 for count in counts if count)
    for box in shown:
        x, y, width, height = (float(box[name]) for name in ("x", "y", "width", "height"))
        assert min(width, height) >= 1
        assert x >= 0
        assert y >= 15
        assert x + width <= 320
        assert y + height <= 109


def test_marks_and_ticks_outside_the_edges_are_ignored():
    svg = histogram_svg(
        [0, 10, 20], {"n": [1, 1]}, ticks=(0, 10, 11, 20, 30), marks=(15, 99), name="any"
    )
    assert re.findall(r'<text class="tick"[^>]*>([^<]*)<', svg) == [
        "0",
        "10",
        "20",
    ]  # 11 would overlap 10
    assert re.findall(r'<text class="mark"[^>]*>([^<]*)<', svg) == ["15"]
    assert 'd="M238.0 14.0L238.0 108.0"' in svg  # three quarters of the way


def test_interval_is_clipped_to_its_extent():
    root = ElementTree.fromstring(
        interval_svg(-0.5, 0.25, 9.0, extent=1, name="a", kind="good", margin=0.5)
    )
    (low, _), (high, _) = places(root, "path[@class='limits']")
    (dot,) = root.findall("circle")
    assert (low, float(dot.get("cx")), high) == (48.0, 111.0, 174.0)
    assert (root.get("class"), root.find("rect").get("width")) == ("interval good", "84.0")
