"""Yahoo's replica, seen through a browser and by a plain client."""

import html
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

SEARCH = "https://images.search.yahoo.com/search/images?p=red+cat"
BUTTON = 'button[name="more-res"]'
TILES = """[...document.querySelectorAll('#sres li.ld')].map((tile) => [
  tile.id, tile.getAttribute('data'), tile.querySelector('a').href])"""


def told(tile):
    """Return the key, the original and the page of a tile, and where they are told."""
    key, data, link = tile
    try:
        said = json.loads(data)
        return key, said.get("ourl") or said["iurl"], said["rurl"], "json"
    except ValueError:
        said = parse_qs(urlsplit(link).query)
        return key, f"https://{said['imgurl'][0]}", said["rurl"][0], "link"


@pytest.mark.slow
@pytest.mark.browser
def test_clicks_bring_every_result(viewer, sites):
    viewer.open(SEARCH)
    assert len(viewer.ask(TILES)) == 60
    for clicks in range(1, 7):
        viewer.click(BUTTON)
        assert viewer.wait(f"document.querySelectorAll('#sres li').length === {min(60 + 60 * clicks, 400)}")
    assert viewer.wait(f"document.querySelector('{BUTTON}').offsetParent === null")
    truth = [(one.key, one.original_url, one.page_url, one.route) for one in sites.results("yahoo", "red cat")]
    assert [told(tile) for tile in viewer.ask(TILES)] == truth
    assert 0 < sum(route == "link" for *_, route in truth) < 30


@pytest.mark.slow
@pytest.mark.browser
def test_lower_thumbnails_wait_for_the_window(viewer):
    viewer.open(SEARCH)
    # One of the first batch: those that scrolling brings come behind it.
    viewer.ask("window.last = [...document.querySelectorAll('img.process')].at(-1)")
    assert viewer.ask("last.src.startsWith('data:image/gif')")
    viewer.ask("last.scrollIntoView()")
    assert viewer.wait("last.src.includes('mm.bing.net') && last.naturalWidth >= 100")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("answer", ["agree", "reject"])
def test_consent_is_asked_for_once_on_other_hosts(viewer, sites, answer):
    sites.switch("yahoo", "consent_redirect")
    viewer.open(SEARCH)
    assert viewer.driver.current_url.startswith("https://consent.yahoo.com/v2/collectConsent?sessionId=")
    viewer.follow(f"button[name={answer}]")
    assert viewer.wait("document.querySelectorAll('#sres li').length === 60")
    assert viewer.driver.current_url == SEARCH
    viewer.driver.refresh()
    assert len(viewer.ask(TILES)) == 60


@pytest.mark.parametrize("host", ["images", "in.images", "uk.images"])
def test_offsets_work_without_scripts_on_every_host(ask, sites, host):
    page = ask(f"https://{host}.search.yahoo.com/search/images?p=red+cat&b=361").text
    keys = re.findall('<li class="ld" id="([^"]+)"', page)
    assert keys == [result.key for result in sites.results("yahoo", "red cat")[360:]]
    assert "more-res" not in re.sub("<script.*|<style.*?</style>", "", page, flags=re.S)


def test_broken_json_leaves_the_links(ask, sites):
    sites.switch("yahoo", "broken_json")
    for data in re.findall(' data="([^"]+)"', ask(SEARCH).text):
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(html.unescape(data))


def test_an_endless_page_repeats_its_last_batch(ask, sites):
    sites.switch("yahoo", "endless")
    batches = [json.loads(ask(f"{SEARCH}&b={offset}&o=js").body) for offset in (361, 901)]
    assert batches[0]["html"] == batches[1]["html"] != ""
    assert all(batch["more"] for batch in batches)


def test_last_years_layout_has_none_of_todays_hooks(ask, sites):
    sites.switch("yahoo", "last_years_layout")
    page = ask(SEARCH).text
    assert "yschimg" in page
    assert not re.search("sres|imgurl|<li", page)


def test_nothing_found_is_said(ask, sites):
    sites.switch("yahoo", "empty")
    assert "did not find results for" in ask(SEARCH).text
