import re

import pytest

from pixmill.scrape import render_report
from pixmill.scrape.report import _MEANINGS, _meaning


@pytest.fixture
def page(run, data, output):
    (data / "hat" / "!<script>.png").write_bytes(b"<html>")
    (data / "hat" / "sub").mkdir()
    (data / "empty").mkdir()
    return render_report(run(("boot", "hat", "empty")), output)


def test_it_says_what_came_and_what_did_not(page):
    text = re.sub(r"<[^>]+>|\s+", " ", page)
    for words in (
        "61 pictures of 2 classes",
        "data/empty is empty",
        "folder",
        "data/hat/sub",
        "From the source “folder”",
    ):
        assert words in text


def test_strangers_names_are_escaped(page):
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_it_asks_nothing_of_any_server(page):
    assert not re.search(r"""(?:src|href)=["'](?!data:image/jpeg;base64,)""", page)


def test_it_shows_examples_of_each_class(page):
    assert page.count("data:image/jpeg;base64,") == 13
    assert page.count("no picture") == 1  # for the one that cannot be decoded


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [("http_404", "The server answered 404 Not Found"), ("http_499", "The server answered 499")],
)
def test_answers_are_put_into_words(reason, meaning):
    assert _meaning(reason) == meaning


def test_every_reason_has_its_words(repository):
    """Reasons are given where things are refused; whoever adds one must explain it to people."""
    packages = (repository / "src" / "pixmill" / name for name in ("fetch", "scrape"))
    code = "".join(path.read_text() for package in packages for path in package.rglob("*.py"))
    reasons = set(re.findall(r'Refused\("(\w+)"', code)) | {"empty", "html", "svg", "archive", "pdf", "unknown"}
    assert reasons == set(_MEANINGS)
