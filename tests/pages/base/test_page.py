"""A page escapes what strangers wrote, asks nothing of any server, and has the same bytes each time."""

import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.pages.base import render_page, shorten
from pixmill.pages.base.page import in_columns

TEMPLATE = """{% extends "base.html" %}{% from "macros.html" import table, bars, figure, card, badge %}
{% block title %}{{ name }}{% endblock %}{% block lead %}A lead.{% endblock %}
{% block content %}{{ table(["a"], [[name], [none], [3]]) }}{{ bars([("x", 2000), ("y", 1)]) }}
{{ figure("share", 0.5 | percent) }}{{ card("data:image/png;base64,", name, [name]) }}
{{ badge("good", name) }}
<h2>{{ name }}</h2>
<h2>Other</h2>
{% endblock %}"""


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page_for_tests").mkdir()
    (tmp_path / "page_for_tests" / "__init__.py").touch()
    (tmp_path / "page_for_tests" / "report.html").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("template")
def test_names_are_escaped_and_nothing_is_requested() -> None:
    html = render_page("page_for_tests", "report.html", name="<script>alert('x')</script>")
    assert html.count("<script") == 1
    assert html.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") >= 6
    assert not re.search(r"""(?:src|href)=["'](?!data:|[a-z]+\.html")|url\(|@import""", html)
    assert "50.0 %" in html
    assert "2,000" in html


@pytest.mark.usefixtures("template")
def test_a_forgotten_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render_page("page_for_tests", "report.html")


TABLE = "<table>\n<thead><tr>{}</tr></thead>\n</table>\n"
NARROW = ["<h2>a</h2>\n<p>text</p>\n", f'<h2 id="b">b</h2>\n{TABLE.format(7 * "<th scope=col>n</th>")}']
WIDE = ['<h2>c</h2>\n<div class="gallery"></div>\n', f"<h2>d</h2>\n{TABLE.format(8 * '<th scope=col>n</th>')}"]
CHARTS = "<h2>e</h2>\n" + 3 * "<figure><figcaption>x</figcaption></figure>\n"


def columns(*parts: str) -> str:
    inner = "".join(f"<div>\n{part}</div>\n" for part in parts)
    return f'<div class="columns">\n{inner}</div>\n'


def test_neighbours_that_need_little_width_stand_in_columns() -> None:
    start, (a, b), (c, d) = "<p>Start.</p>\n", NARROW, WIDE
    assert in_columns(start) == start
    assert in_columns(start + a) == start + a
    assert in_columns(a + b) == columns(a, b)
    assert in_columns(start + a + b + c + a + d + b + a + CHARTS) == (
        start + columns(a, b) + c + a + d + columns(b, a) + CHARTS
    )


def test_within_a_wide_part_those_of_the_third_level_do() -> None:
    one, two = (f"<h3>{name}</h3>\n<p>text</p>\n" for name in "xy")
    wide = '<h3>z</h3>\n<div class="gallery"></div>\n'
    assert in_columns(f"<h2>a</h2>{one}{two}{wide}") == f"<h2>a</h2>{columns(one, two)}{wide}"
    assert in_columns(f"<h2>a</h2>\n<p>i</p>{one}{wide}") == "<h2>a</h2>" + columns("\n<p>i</p>", one) + wide


@pytest.mark.parametrize(
    "box", ["<div>{}</div>\n", '<section class="x">{}</section>\n', "<details><summary>{}</details>\n"]
)
def test_a_heading_in_a_box_begins_no_part(box: str) -> None:
    a, b = NARROW
    boxed = box.format(f"{a}{a}") + box.format("<h3>x</h3><div><h3>y</h3></div>")
    assert in_columns(a + boxed + b) == columns(a + boxed, b)
    assert in_columns(a + WIDE[0] + boxed + b) == a + WIDE[0] + boxed + b
    assert in_columns(boxed + a) == boxed + a


TEXTS = st.sampled_from(
    [*NARROW, *WIDE, CHARTS, "<p>x</p>\n", "<h3>x</h3>\n", "<div>\n", "</div>\n", "<details>", "</details>"]
)


@given(st.lists(TEXTS, max_size=12).map("".join))
def test_columns_keep_every_part_in_its_order(content: str) -> None:
    made = in_columns(content)
    added = re.sub(r'<div class="columns">\n|</?div>\n', "", made)
    assert added == re.sub(r"</?div>\n", "", content)
    assert made.count("<div") - content.count("<div") == made.count("</div") - content.count("</div")


@pytest.mark.usefixtures("template")
def test_names_in_columns_stay_escaped() -> None:
    html = render_page("page_for_tests", "report.html", name="</div><h2>&")
    assert columns("<h2>&lt;/div&gt;&lt;h2&gt;&amp;</h2>\n", "<h2>Other</h2>\n") in html


def test_a_name_that_is_short_enough_stays_as_it_is() -> None:
    assert shorten("a" * 90) == "a" * 90


@pytest.mark.parametrize("limit", [24, 32, 90, 300])
def test_a_long_one_loses_its_middle(limit: int) -> None:
    text = "https://example.org/" + "x" * 5000 + "/" + "y" * 21 + "/end.png"
    shown = shorten(text, limit)
    assert len(shown) == limit
    first, last = shown.split("…")
    assert text.startswith(first)
    assert text.endswith(last)
    assert len(last) == min(30, limit // 2)
