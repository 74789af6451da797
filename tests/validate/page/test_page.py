"""The page of validate."""

import re
from html import unescape

import pytest

from pixmill.core.decisions import Row
from pixmill.core.params import ValidateParams
from pixmill.validate.page.report import render_report
from pixmill.validate.validation import Validation
from tests.validate.conftest import Scrape, encoded, image, shapes

LARGEST = 5_000_000


def page(scrape: Scrape, validation: Validation) -> str:
    return render_report(validation, folder=scrape.folder, params=ValidateParams(), workers=0)


def text(page: str) -> str:
    """Return the visible text."""
    page = re.sub(r"<style>.*?</style>", "", page.replace("<wbr>", ""), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    scrape = Scrape(tmp_path_factory.mktemp("scrape"))
    scrape.fill("coat", 40)
    scrape.fill("shoe", 3, start=100)
    scrape.add("coat", image(200, kind="JPEG", side=300)[:3000], "cut.jpg")
    scrape.add("shoe", image(201, side=10), "tiny.png")
    scrape.add("coat", image(202), "once.png")
    scrape.add("shoe", image(202), "again.png")
    scrape.add("shoe", encoded(shapes(100), "BMP"), "twin.bmp")
    scrape.add("shoe", image(0, kind="JPEG", quality=90), "near.jpg")
    scrape.sightings[0]["image_url"] = "https://example.org/evil.png"
    return scrape


@pytest.fixture(scope="module")
def judged(messy: Scrape) -> Validation:
    return messy.validate(gate=None, class_balance={"critical": 0.15})


@pytest.fixture(scope="module")
def html(messy: Scrape, judged: Validation) -> str:
    return page(messy, judged)


def test_failed_checks_come_first(html: str) -> None:
    seen = text(html)
    assert "critical check" in seen
    first = [seen.index(name) for name in ("min_per_class", "class_balance")]
    assert max(first) < seen.index("not_empty")
    assert max(first) < seen.index("Sizes of the kept images")
    assert "2 critical checks failed: min_per_class , class_balance" in seen
    assert "class 'shoe' has 4 images, 0.1 of the largest class 'coat' (40)" in seen


def test_dropped_images_have_reason_and_source(html: str) -> None:
    seen = text(html)
    assert "Truncated: 1 The file is truncated" in seen
    assert "Too small: 1 A side is shorter than validate.image_size allows" in seen
    assert "Duplicate pixels: 1" in seen
    assert "Label conflict: 1" in seen
    for file in ("data/coat/cut.jpg", "data/shoe/tiny.png"):
        assert file in seen
    assert "labelled coat and shoe" in seen
    assert "data/coat/once.png, data/shoe/again.png" in seen
    assert "different labels" in seen
    assert html.count('src="data:image/jpeg') > 12


def test_lists_applied_and_ignored_decisions(messy: Scrape) -> None:
    decisions = [
        Row("data/shoe/tiny.png", answer="keep", by="ada", why="a charm", line=2),
        Row("f" * 64, answer="drop", line=3),
    ]
    seen = text(page(messy, messy.validate(decisions=decisions)))
    assert " keep \N{EN DASH} ada a charm" in seen
    assert f"3 {'f' * 64} drop no such image" in seen


def test_valid_data_passes(scrape: Scrape) -> None:
    scrape.fill_sharply("coat", 30)
    scrape.fill_sharply("shoe", 30, start=100)
    seen = text(page(scrape, scrape.validate(gate=None)))
    assert "All critical checks passed" in seen
    assert "warning" not in seen.partition("Check Result")[0]
    assert "No image was dropped." in seen


def test_escapes_untrusted_text(scrape: Scrape) -> None:
    evil = [
        f"<script>alert({number})</script><img src=x onerror=alert(1)>\"'&" for number in range(6)
    ]
    scrape.add(evil[0], b"a text", evil[1])
    scrape.add("coat", image(1), evil[2])
    scrape.add("coat", image(2))
    scrape.sightings[-1] |= {
        "image_url": None,
        "page_url": f"javascript:{evil[3]}",
        "title": evil[4],
    }
    scrape.add("shoe", image(3, side=10), "tiny.png")
    decisions = [
        Row("data/shoe/tiny.png", answer="keep", by=evil[4], why=evil[5], line=2),
        Row(f"data/{evil[5]}", answer="drop", by=evil[4], why=evil[5], line=3),
    ]
    html = page(scrape, scrape.validate(gate=None, decisions=decisions))
    assert html.count("<script") == 1
    assert "<img src=x" not in html
    assert html.count("&lt;script&gt;alert(") >= 7


def test_page_is_self_contained(html: str) -> None:
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#|[a-z]+\.html")|url\(|@import""", html)
    assert "<link" not in html
    anchors = set(re.findall(r'href="#([^"]*)"', html))
    assert anchors
    assert anchors <= set(re.findall(r' id="([^"]*)"', html))
