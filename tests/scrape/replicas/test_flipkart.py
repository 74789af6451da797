"""Flipkart's replica, seen through a browser and by a plain client."""

import io
import re

import pytest
from PIL import Image

from tests.scrape.replicas.client import get
from tests.scrape.replicas.flipkart import Flipkart
from tests.scrape.replicas.world import World

SEARCH = "https://www.flipkart.com/search?q=sarees"
BROWSER = {"headers": {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156.0.0.0"}}
READ = """[...document.querySelectorAll('div[data-id]')].map((card) => ({
  key: card.dataset.id,
  title: card.querySelector("img[src*=rukminim][alt]:not([alt=''])").alt,
  thumbnail: card.querySelector("a[href*='/p/itm'] img[src*=rukminim]").src,
  page: card.querySelector("a[href*='pid=']").href,
}))"""


@pytest.mark.slow
@pytest.mark.browser
def test_the_pages_show_what_the_truth_says_in_its_order(viewer, sites):
    cards, url = [], SEARCH
    while url:
        viewer.open(url)
        cards += viewer.ask(READ)
        url = viewer.ask("[...document.querySelectorAll('nav a')].find((a) => a.innerText === 'Next')?.href ?? null")
    truth = [
        {"key": result.key, "title": result.title, "thumbnail": result.thumbnail_url, "page": result.page_url}
        for result in sites.results("flipkart", "sarees")
    ]
    assert len(truth) == 300
    assert cards == truth


@pytest.mark.slow
@pytest.mark.browser
def test_a_login_is_in_the_way_until_it_is_closed(viewer):
    viewer.open(SEARCH)
    assert viewer.ask("!document.elementFromPoint(300, 400).closest('[data-id]')")
    viewer.ask("[...document.querySelectorAll('button')].find((button) => button.innerText === '✕').click()")
    viewer.driver.refresh()
    assert "Request OTP" not in viewer.text


def test_class_names_are_new_at_every_start(ask):
    here = set(re.findall('class="([^"]+)"', ask(SEARCH, **BROWSER).text))
    with World(Flipkart()) as world:
        there = set(re.findall('class="([^"]+)"', get(world, SEARCH, **BROWSER).text))
    assert here
    assert not here & there


def test_who_is_no_browser_is_told_of_an_error(ask):
    assert ask(SEARCH).status == 500
    assert ask("https://www.flipkart.com/robots.txt").status == 200


def test_larger_sizes_give_the_original(ask, sites):
    for result in sites.results("flipkart", "sarees")[:20]:
        answers = [ask(result.original_url.replace("/1200/1200/", size)) for size in ("/1200/1200/", "/1000/1000/")]
        assert answers[0].body == answers[1].body
        if result.deliverable:
            assert Image.open(io.BytesIO(answers[0].body)).size == (result.width, result.height)
            assert max(Image.open(io.BytesIO(ask(result.thumbnail_url).body)).size) <= 612
        else:
            assert answers[0].status == 404


def test_last_years_layout_has_none_of_todays_hooks(ask, sites):
    sites.switch("flipkart", "last_years_layout")
    page = ask(SEARCH, **BROWSER).text
    assert "product-unit" in page
    assert not re.search("data-id|<img|/p/itm", page)


def test_nothing_found_is_said(ask, sites):
    sites.switch("flipkart", "empty")
    assert "no results found" in ask(SEARCH, **BROWSER).text
