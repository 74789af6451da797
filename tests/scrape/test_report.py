import functools
import html
import re

import pytest

from pixmill.pages.thumbnails import thumbnails
from pixmill.scrape.page import report as page_module
from pixmill.scrape.page.report import render_report
from pixmill.scrape.sources import SearchError


@pytest.fixture(autouse=True)
def thumbnails_here(monkeypatch):
    """Make thumbnails in this process."""
    monkeypatch.setattr(
        page_module, "thumbnails", functools.partial(thumbnails, limits=None, workers=0)
    )


def words(page):
    """Return the visible text without punctuation."""
    return re.sub(r"[^\w.]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def page(run, data, output):
    (data / "hat" / "!<script>.png").write_bytes(b"<html>")
    (data / "hat" / "sub").mkdir()
    (data / "empty").mkdir()
    return render_report(run(("boot", "hat", "empty")), output)


@pytest.fixture
def web_page(visit, invented, hats, web, output, image):
    """Two sources: one with thumbnails, licences and an excluded image; the other fails."""
    web.answers |= {"/robots.txt": b"User-agent: *\nDisallow: /9", "/8": None}
    first = invented(
        {
            "hat": [
                {
                    "image_url": hats[0],
                    "route": "script",
                    "title": "<b>Hat</b>",
                    "licence": "by",
                    "author": "Ann",
                },
                {"image_url": hats[8], "thumbnail_url": hats[1], "route": "click"},
                hats[9],
                *(f"http://invented.test/gone-{number}" for number in range(5)),
            ]
        },
        name="site:first",
    )
    second = invented(
        {
            "hat": [
                hats[0],
                SearchError(
                    "captcha", "it asks for a proof", evidence=".pixmill/scrape/evidence/1"
                ),
            ]
        },
        name="site:second",
    )
    result = visit(
        first,
        second,
        robots_exceptions=("www.example.org",),
        queries={"hat": ["hat", "cap"]},
        browsers=1,
    )
    return render_report(result, output)


def has_external_references(page):
    """Return whether a page refers to anything but its own images and the other reports."""
    return (
        re.search(r"""(?:src|href)=["'](?!data:image/jpeg;base64,|[a-z]+\.html")""", page)
        is not None
    )


def test_local_images(page):
    assert page.count("<script") == 1
    assert "&lt;script&gt;" in page
    assert not has_external_references(page)
    text = words(page)
    for expected in (
        "61 images of 2 classes",
        "data/empty is empty",
        "folder",
        "data/hat/sub",
    ):
        assert words(expected) in text
    assert not re.search("Queries|Hosts|robots", text)


def test_web_searches(web_page):
    assert "<b>Hat" not in web_page
    assert "&lt;b&gt;Hat" in web_page
    assert not has_external_references(web_page)
    text = words(web_page)
    for expected in (
        "2 images of 1 class ",
        "Sources: site:first, site:second. Snapshot: ",
        "2 of 4 queries failed.",
        (
            "captcha hat (source 'site:second') it asks for a proof. Saved page and screenshot: "
            ".pixmill/scrape/evidence/1"
        ),
        "robots.txt overrides Hosts whose robots.txt you override in scrape.robots_exceptions , on "
        "your own "
        "responsibility: www.example.org",
        "hat site:first hat complete 8 2 0 1 6 script 1, click 1",
        "hat site:second hat captcha 1 1 1 0 0",
        "In 1 case the thumbnail was kept instead.",
        "1 Thumbnails kept where the original was refused",
        "HTTP 404 Not Found: 6 http_404 in sightings.parquet .",
        "and 3 more",
        "Images excluded by robots.txt or opt-out Not fetched or not kept, because of robots.txt, "
        "X-Robots-Tag or "
        "scrape.opt_out . Disallowed by the site's robots.txt: 1 robots in sightings.parquet .",
        "by Ann",
    ):
        assert words(expected) in text


def test_a_search_without_images_is_not_complete(visit, invented, hats, output):
    first = invented({"hat": hats[:2]}, name="site:first")
    second = invented({"hat": ["http://invented.test/gone"]}, name="site:second")
    text = words(render_report(visit(first, second), output))
    assert words("hat site:first hat complete 2 2 0 0") in text
    assert words("hat site:second hat all refused 1 0 0 1") in text


def code_of(repository, *packages):
    folders = (repository / "src" / "pixmill" / name for name in packages)
    return "".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.py")))


def test_every_reason_is_explained(repository):
    """The page has a text for every reason in the code."""
    template = (repository / "src" / "pixmill" / "scrape" / "page" / "page.html").read_text(
        encoding="utf-8"
    )
    explained = set(re.findall(r'^  "(\w+)": "', template, re.MULTILINE))
    reasons = set(
        re.findall(r'(?:Refused|_Unreadable)\(\s*"(\w+)"', code_of(repository, "fetch", "scrape"))
    )
    assert reasons | {"empty", "html", "svg", "archive", "pdf", "unknown"} == explained
