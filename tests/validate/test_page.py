"""The page shows the gate's verdict first, every kind of offender with its reason, and stays small."""

import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from pixmill.params import ValidateParams
from pixmill.validate import Decision, Validation, render_report
from pixmill.validate.reasons import REASONS
from tests.validate.conftest import Scrape, encoded, picture, shapes

LARGEST = 5_000_000


def page(scrape: Scrape, validation: Validation) -> str:
    return render_report(validation, folder=scrape.folder, params=ValidateParams(), workers=0)


def text(page: str) -> str:
    """Return what a person reads."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)))


@pytest.fixture
def messy(scrape: Scrape) -> Scrape:
    scrape.fill("coat", 40)
    scrape.fill("shoe", 3, start=100)
    scrape.add("coat", picture(200, kind="JPEG", side=300)[:3000], "cut.jpg")
    scrape.add("shoe", picture(201, side=10), "tiny.png")
    scrape.add("coat", picture(202), "once.png")
    scrape.add("shoe", picture(202), "again.png")
    scrape.add("shoe", encoded(shapes(100), "BMP"), "twin.bmp")
    scrape.add("shoe", picture(0, kind="JPEG", quality=90), "near.jpg")
    return scrape


def test_the_gates_verdict_comes_first(messy: Scrape) -> None:
    seen = text(page(messy, messy.validate()))
    assert "The gate stopped the pipeline" in seen
    first = [seen.index(name) for name in ("min_per_class", "class_balance")]
    assert max(first) < seen.index("not_empty")
    assert max(first) < seen.index("Classes")
    assert "class 'shoe' has 4 pictures, a ratio of 0.1 to the largest class 'coat' (40)" in seen


def test_warnings_let_the_data_through_and_are_shown(messy: Scrape) -> None:
    mild = {"min_per_class": {"severity": "warning"}, "class_balance": {"severity": "info"}}
    seen = text(page(messy, messy.validate(**mild)))
    assert "The gate let the data through, with warnings" in seen


def test_every_offender_is_named_with_its_reason_and_where_it_came_from(messy: Scrape) -> None:
    html = page(messy, messy.validate())
    seen = text(html)
    for name, file in (("truncated", "data/coat/cut.jpg"), ("too_small", "data/shoe/tiny.png")):
        assert f"{name}: 1" in seen
        assert REASONS[name] in seen
        assert file in seen
    assert "came as coat and shoe" in seen
    assert "data/coat/once.png, data/shoe/again.png" in seen
    assert "dropped: duplicate_pixels" in seen
    assert "under different labels" in seen
    assert html.count('src="data:image/jpeg') > 12


def test_samples_are_of_kept_pictures_and_the_same_each_time(messy: Scrape) -> None:
    found = messy.validate()
    assert page(messy, found) == page(messy, found)
    sample = text(page(messy, found)).rpartition("A random sample of each class")[2]
    assert "cut.jpg" not in sample
    assert "tiny.png" not in sample


def test_decisions_that_were_used_and_those_that_were_not_are_listed(messy: Scrape) -> None:
    decisions = [Decision(2, "data/shoe/tiny.png", "keep", by="ada", why="a charm"), Decision(3, "f" * 64, "drop")]
    seen = text(page(messy, messy.validate(decisions=decisions)))
    assert "2 data/shoe/tiny.png keep \N{EN DASH} ada a charm" in seen
    assert f"3 {'f' * 64} drop no such picture is there" in seen


def test_sound_data_is_told_to_be_sound(scrape: Scrape) -> None:
    scrape.fill("coat", 30)
    scrape.fill("shoe", 30, start=100)
    seen = text(page(scrape, scrape.validate()))
    assert "The gate let the data through" in seen
    assert "with warnings" not in seen
    assert "No picture was dropped." in seen


def test_an_empty_folder_makes_a_page(scrape: Scrape) -> None:
    assert "No picture of this class is kept." in page(scrape, scrape.validate())


def test_names_from_strangers_are_escaped(scrape: Scrape) -> None:
    scrape.add("<script>alert(1)</script>", b"a text", "<img src=x onerror=alert(2)>.png")
    html = page(scrape, scrape.validate())
    assert "<script" not in html
    assert "<img src=x" not in html


def test_the_page_asks_nothing_of_any_server(messy: Scrape) -> None:
    messy.sightings[0]["image_url"] = "https://example.org/evil.png"
    html = page(messy, messy.validate())
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", html)
    assert "<link" not in html


def test_the_page_stays_small_whatever_is_in_it(scrape: Scrape) -> None:
    generator = np.random.default_rng(0)
    labels = [f"class {place:03}" for place in range(60)]
    for place, label in enumerate(labels):
        for number in range(14):
            noise = generator.integers(0, 256, (96, 96, 3), dtype=np.uint8)  # compresses worst
            scrape.add(label, encoded(Image.fromarray(noise), "PNG"), f"{place}-{number}-{'x' * 200}.png")
            scrape.add(label, encoded(Image.fromarray(noise), "JPEG", quality=95), f"{place}-{number}.jpg")
    found = scrape.validate(classes=labels, formats={"allowed": ["png"]})
    html = page(scrape, found)
    assert LARGEST * 0.6 < len(html.encode()) < LARGEST
    assert "more pictures" in text(html)
    assert "more classes" in text(html)
