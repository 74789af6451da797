"""Batches, pauses and escaping in the shop's pages."""

import re

import pytest

from pixmill.images.png import png_bytes
from pixmill.local.shop.catalogue import Catalogue
from pixmill.local.shop.rendering import BATCH_SIZE, Pages, content_type


@pytest.fixture(scope="module")
def pages(data):
    return Pages(Catalogue(data))


def ids(html):
    return re.findall(r'<article class="card" data-product-id="([0-9a-f]{16})"', html)


def test_batches_show_every_card_once_and_in_order(pages, data):
    shown = ids(pages.search("sneaker", consented=True))
    number = 2
    while number:
        batch = pages.more("sneaker", number)
        shown += ids(batch["html"])
        number = batch["next"]
    assert shown == [card.id for card in Catalogue(data).classes["sneaker"]]
    assert len(shown) > 6 * BATCH_SIZE


def test_long_class_pauses_repeatedly(tmp_path):
    (tmp_path / "coat").mkdir()
    for number in range(300):
        (tmp_path / "coat" / f"{number}.png").write_bytes(b"")
    pages = Pages(Catalogue(tmp_path))
    assert [number for number in range(2, 14) if pages.more("coat", number)["pause"]] == [2, 7, 12]


@pytest.mark.parametrize("query", ["boots", "hat", "", "<script>alert(1)</script>"])
def test_query_without_results_has_a_page(pages, query):
    page = pages.search(query, consented=True)
    assert "data-no-results" in page
    assert not ids(page)
    assert "<script>alert" not in page


def test_pages_refer_to_no_other_hosts(pages):
    for page in (pages.home(consented=False), pages.search("sneaker", consented=True)):
        addresses = re.findall(r'\b(?:href|src|data-src|action)="([^"]*)"', page)
        assert addresses
        assert all(re.match(r"/(?!/)|#|data:image/", address) for address in addresses)


def test_class_names_are_escaped(tmp_path):
    label = """a<b>&"c' d"""
    (tmp_path / label).mkdir()
    (tmp_path / label / "0.png").write_bytes(png_bytes.__doc__.encode())
    pages = Pages(Catalogue(tmp_path))
    for page in (pages.home(consented=True), pages.search(label, consented=True)):
        assert "<b>&" not in page.replace("<b>Pixmill Shop</b>", "")
        assert "/search?q=a%3Cb%3E%26%22c%27%20d" in page
    assert len(ids(pages.search(label, consented=True))) >= 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"<svg onload=alert(1)>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_content_types_are_detected_from_content(content, expected):
    assert content_type(content) == expected
