"""A histogram is drawn in the page's colours, from its counts alone."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.pages.base import histogram_svg


def boxes(svg: str) -> list[dict[str, str]]:
    return [dict(node.attrib) for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("rect")]


def test_bars_stand_on_the_axis_and_are_as_high_as_they_count() -> None:
    svg = histogram_svg([0, 1, 2, 4], {"kept": [1, 0, 4], "dropped": [1, 0, 0]}, name="sizes")
    first, above, last = boxes(svg)
    assert [box["class"] for box in (first, above, last)] == ["s0", "s1", "s0"]
    assert float(first["height"]) == float(above["height"])
    assert abs(float(last["height"]) - 4 * float(first["height"])) < 0.3
    assert float(first["y"]) + float(first["height"]) == float(last["y"]) + float(last["height"])
    assert abs(float(above["y"]) + float(above["height"]) - float(first["y"])) < 0.11
    assert "0 to 1, 1 kept, 1 dropped" in svg


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_every_bin_that_is_not_empty_can_be_seen_and_none_leaves_the_drawing(counts) -> None:
    svg = histogram_svg([float(edge) for edge in range(len(counts) + 1)], {"n": counts}, name="any")
    drawn = boxes(svg)
    assert len(drawn) == sum(1 for count in counts if count)
    for box in drawn:
        x, y, width, height = (float(box[name]) for name in ("x", "y", "width", "height"))
        assert height >= 1
        assert width >= 1
        assert x >= 0
        assert y >= 15
        assert x + width <= 320
        assert y + height <= 109


def test_marks_and_ticks_stand_at_their_values_and_those_beyond_are_left_out() -> None:
    svg = histogram_svg([0, 10, 20], {"n": [1, 1]}, ticks=(0, 10, 11, 20, 30), marks=(15, 99), name="any")
    assert re.findall(r'<text class="tick"[^>]*>([^<]*)<', svg) == ["0", "10", "20"]  # 11 would cover 10
    assert re.findall(r'<text class="mark"[^>]*>([^<]*)<', svg) == ["15"]
    assert 'd="M238.0 14V108"' in svg  # three quarters of the way


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.25, "0.25"), (1000, "1,000"), (9742, "9,742"), (10_000, "10 k"), (65_536, "65.5 k"), (1e6, "1 M")],
)
def test_numbers_are_short(value: float, told: str) -> None:
    assert f">{told}<" in histogram_svg([0, 2e6], {"n": [1]}, ticks=(value,), name="any")


def test_names_are_escaped() -> None:
    svg = histogram_svg([0, 1], {"<script>": [1]}, name='"><script>')
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_an_empty_histogram_is_an_axis() -> None:
    assert boxes(histogram_svg([0, 1, 2], {"n": [0, 0]}, name="any")) == []
