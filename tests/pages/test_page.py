"""Rendering of pages: escaping, no external requests."""

import re
from pathlib import Path

import jinja2
import pytest

from pixmill.core.files.workspace import STAGES
from pixmill.core.words import shorten
from pixmill.pages import page_head, render_page

TEMPLATE = """{% extends "base.html" %}
{% from "macros.html" import table, bars, figure, thumb, badge %}
{% block title %}{{ name }}{% endblock %}{% block lead %}A lead.{% endblock %}
{% block content %}{{ table(["a"], [[name], [none], [3]]) }}{{ bars([("x", 2000), ("y", 1)]) }}
{{ figure("share", 0.5 | percent) }}{{ thumb("f" * 64, "data:image/png;base64,", name) }}
{{ thumb(name, none, name, name) }}
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
def test_escapes_names_and_requests_nothing() -> None:
    html = render_page("page_for_tests", "report.html", name="<script>alert('x')</script>")
    assert html.count("<script") == 1
    assert html.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") >= 6
    assert not re.search(r"""(?:src|href)=["'](?!data:|[a-z]+\.html")|url\(|@import""", html)
    assert "50.0 %" in html
    assert "2,000" in html


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("name", ["Split", "Compare"])
def test_head_leads_to_the_project_and_the_stages(name: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = '<b>shoes'")
    head = render_page("page_for_tests", "report.html", name=name, root=tmp_path).partition("<h1>")[
        0
    ]
    assert re.findall(r'href="([^"]*)"', head) == ["../", *(f"{stage}.html" for stage in STAGES)]
    assert "&lt;b&gt;shoes</a>" in head
    assert re.findall(r'aria-current="page">(\w+)', head) == [name.lower()]
    # The place of a page that is no report is not known.
    assert (
        "href" not in render_page("page_for_tests", "report.html", name=name).partition("<h1>")[0]
    )


def test_head_of_other_pages_leads_to_the_reports() -> None:
    addresses = re.findall(r'href="([^"]*)"', page_head("shoes", "review", home="../../"))
    assert addresses == ["../../", *(f"../../reports/{stage}.html" for stage in STAGES)]


@pytest.mark.usefixtures("template")
def test_missing_variable_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render_page("page_for_tests", "report.html")


@pytest.mark.parametrize("limit", [24, 32, 90, 300])
def test_shortens_the_middle_of_long_names(limit: int) -> None:
    text = "https://example.org/" + "x" * 5000 + "/" + "y" * 21 + "/end.png"
    shown = shorten(text, limit)
    assert len(shown) == limit
    first, last = shown.split("…")
    assert text.startswith(first)
    assert text.endswith(last)
    assert len(last) == min(30, limit // 2)
