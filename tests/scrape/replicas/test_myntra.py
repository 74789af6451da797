"""Myntra's replica, seen through a browser and by a plain client."""

import io

import pytest
from PIL import Image

LIST = "https://www.myntra.com/sarees?rawQuery=sarees"
FILLED = "[...document.querySelectorAll('li.product-base')].map((card) => !!card.querySelector('img[src*=myntassets]'))"
READ = """[...document.querySelectorAll('li.product-base')].map((card) => ({
  key: card.id,
  thumbnail: card.querySelector("img[src*=myntassets]").src,
  page: card.querySelector("a[href$='/buy']").href,
  brand: card.querySelector(".product-brand").textContent,
  name: card.querySelector(".product-product").textContent,
  price: card.querySelector(".product-discountedPrice")?.textContent ?? null,
}))"""


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_shows_what_the_truth_says_to_who_walks_down(viewer, sites):
    viewer.open(LIST)
    assert viewer.ask("document.querySelectorAll('li.product-base').length") == 50
    viewer.ask("document.querySelectorAll('li.product-base')[0].scrollIntoView()")
    for place in range(0, 50, 5):
        viewer.ask(f"document.querySelectorAll('li.product-base')[{place}].scrollIntoView({{block: 'center'}})")
        assert viewer.wait(f"{FILLED}[{place}]")
    cards = viewer.ask(READ)
    for result, card in zip(sites.results("myntra", "sarees"), cards, strict=False):
        assert (result.key, result.thumbnail_url, result.page_url) == (card["key"], card["thumbnail"], card["page"])
        assert (result.title, result.price) == (f"{card['brand']} {card['name']}", card["price"])
    offered = viewer.ask("document.querySelector('li.product-base source').srcset")
    assert offered.count("https://") == 3
    assert offered.count(",") > 3
    assert viewer.wait("document.querySelector('li.product-base img').naturalWidth > 100")


@pytest.mark.slow
@pytest.mark.browser
def test_a_jump_to_the_bottom_leaves_the_middle_empty(viewer):
    viewer.open(LIST)
    viewer.ask("scrollTo(0, document.documentElement.scrollHeight)")
    assert viewer.wait(f"{FILLED}[49]")
    assert not any(viewer.ask(FILLED)[20:30])


@pytest.mark.slow
@pytest.mark.browser
def test_pages_are_linked_until_the_last(viewer, sites):
    keys, pages, url = [], 0, LIST
    while url:
        viewer.open(url)
        pages += 1
        keys += viewer.ask("[...document.querySelectorAll('li.product-base')].map((card) => card.id)")
        url = viewer.ask("document.querySelector('li.pagination-next a')?.href ?? null")
    assert pages == 6
    assert keys == [result.key for result in sites.results("myntra", "sarees")]


@pytest.mark.slow
@pytest.mark.browser
def test_the_state_of_the_page_names_its_products(viewer, ask):
    viewer.open(LIST)
    products = viewer.ask("window.__myx.searchData.results.products")
    assert len(products) == 50
    assert ask(products[0]["searchImage"]).status == 200


def test_larger_sizes_give_the_original(ask, sites):
    for result in sites.results("myntra", "sarees")[:20]:
        bare = result.original_url.replace("q_90,w_1080,c_limit,fl_progressive/", "")
        assert ask(bare).body == ask(result.original_url).body
        if result.deliverable:
            assert Image.open(io.BytesIO(ask(result.original_url).body)).size == (result.width, result.height)
            assert Image.open(io.BytesIO(ask(result.thumbnail_url).body)).width == 420


def test_last_years_layout_has_none_of_todays_hooks(ask, sites):
    sites.switch("myntra", "last_years_layout")
    page = ask(LIST).text
    assert "mk-prod" in page
    assert "product-base" not in page
    assert "myntassets" not in page


def test_nothing_found_is_said(ask, sites):
    sites.switch("myntra", "empty")
    assert "any matches" in ask(LIST).text
