"""DuckDuckGo's replica, seen through a browser and by a plain client."""

import json
import re

import pytest

PAGE = "https://duckduckgo.com/?q=red+cat&iar=images&iax=images&ia=images"
API = "https://duckduckgo.com/i.js?o=json&q=red+cat&l=us-en&p=1&s=0&f=,,,,,"
FETCH = """const [address, done] = arguments;
fetch(address).then(async (answer) => done([answer.status, await answer.text()]));"""


def token(text):
    return re.search(r'vqd="([\d-]+)"', text)[1]


@pytest.mark.slow
@pytest.mark.browser
def test_the_pages_own_script_gets_every_result(viewer, sites):
    viewer.open(PAGE)
    vqd = token(viewer.driver.page_source)
    results, following = [], API.partition("duckduckgo.com/")[2]
    while following:
        status, text = viewer.driver.execute_async_script(FETCH, f"/{following}&vqd={vqd}")
        assert status == 200
        batch = json.loads(text)
        assert len(batch["results"]) == 100
        results += batch["results"]
        following = batch.get("next")
    assert [
        (one["image"], one["thumbnail"], one["url"], one["title"], one["width"], one["height"]) for one in results
    ] == [
        (one.original_url, one.thumbnail_url, one.page_url, one.title, one.width, one.height)
        for one in sites.results("duckduckgo", "red cat")
    ]


@pytest.mark.slow
@pytest.mark.browser
def test_scrolling_brings_every_tile_and_no_original(viewer, sites):
    viewer.open(PAGE)
    viewer.scroll("#nothing")
    truth = sites.results("duckduckgo", "red cat")
    tiles = viewer.ask("""[...document.querySelectorAll('[data-testid="zci-images"] li > figure')].map((tile) => [
      new URL(tile.querySelector('img').src).searchParams.get('u'),
      tile.querySelector('figcaption > a').href, tile.querySelector('figcaption > a > p').textContent])""")
    assert tiles == [[one.thumbnail_url, one.page_url, one.title] for one in truth]
    assert "cdn-" not in viewer.driver.page_source
    assert viewer.ask("document.querySelector('figure img').naturalWidth") >= 100


@pytest.mark.slow
@pytest.mark.browser
def test_the_markup_of_the_years_before(viewer, sites):
    sites.switch("duckduckgo", "legacy")
    viewer.open(PAGE)
    last = "document.querySelectorAll('.tile--img img.tile--img__img')[99]"
    assert viewer.wait(last)
    assert viewer.ask(f"{last}.dataset.src").startswith("//external-content.duckduckgo.com/iu/?u=https%3A%2F%2Ftse")
    viewer.ask(f"{last}.scrollIntoView()")
    assert viewer.wait(f"{last}.naturalWidth >= 100")
    assert not viewer.ask("document.querySelector('figure')")


def test_the_token_counts_for_one_query_one_name_and_one_page(ask):
    named = {"User-Agent": "Mozilla/5.0 one"}
    from_page = named | {"Referer": PAGE}
    vqd = token(ask(PAGE, headers=named).text)
    assert ask(f"{API}&vqd={vqd}", headers=from_page).status == 200
    other = API.replace("red+cat", "blue+cat")
    refused = [
        ask(API, headers=from_page),
        ask(f"{API}&vqd={vqd}0", headers=from_page),
        ask(f"{other}&vqd={vqd}", headers=from_page),
        ask(f"{API}&vqd={vqd}", headers=named),
        ask(f"{API}&vqd={vqd}", headers=from_page | {"User-Agent": "Mozilla/5.0 other"}),
        ask(f"{API.replace('red+cat', 500 * 'x')}&vqd={vqd}", headers=from_page),
    ]
    assert [answer.status for answer in refused] == 6 * [403]


@pytest.mark.parametrize(("mode", "status"), [("block_202", 202), ("block_200", 200), ("captcha", 200)])
def test_a_block_is_a_challenge(ask, sites, mode, status):
    sites.switch("duckduckgo", mode)
    answer = ask(PAGE)
    assert answer.status == status
    assert 'id="challenge-form"' in answer.text
    assert 'data-testid="anomaly-modal"' in answer.text


@pytest.mark.slow
@pytest.mark.browser
def test_the_json_may_be_refused_while_the_page_is_not(viewer, sites):
    sites.switch("duckduckgo", "ratelimited", after=1)
    viewer.open(PAGE)
    viewer.scroll("#nothing")
    assert viewer.ask("document.querySelectorAll('figure').length") == 100
    assert "Something went wrong" in viewer.text


def test_a_page_may_lack_its_token(ask, sites):
    sites.switch("duckduckgo", "no_vqd")
    assert 'vqd="' not in ask(PAGE).text


@pytest.mark.slow
@pytest.mark.browser
def test_nothing_found_is_said_by_the_page(viewer, sites):
    sites.switch("duckduckgo", "empty")
    viewer.open(PAGE)
    assert viewer.wait("document.body.innerText.includes('No results found for red cat')")


def test_last_years_layout_has_none_of_todays_hooks(ask, sites):
    sites.switch("duckduckgo", "last_years_layout")
    page = ask(PAGE).text
    assert "pic-cell" in page
    assert not re.search("vqd|zci-images|tile|figure", page)
