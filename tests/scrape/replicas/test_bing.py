"""The replica of Bing's image results, seen by a real browser and a script written for it alone."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.viewer import viewing
from tests.scrape.replicas.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = "https://www.bing.com/images/search?q=red+cat&first=1"
BUTTON = "a.btn_seemore"
TILES = "[...document.querySelectorAll('a.iusc')].map((a) => [a.getAttribute('m'), a.getAttribute('href')])"


@pytest.fixture(scope="module")
def world():
    with World(Bing(total=200, button_after=3, broken=0.05)) as world:
        yield world


@pytest.fixture(scope="module")
def browser(world, tmp_path_factory):
    with viewing(world, tmp_path_factory.mktemp("profile")) as viewer:
        yield viewer


@pytest.fixture
def viewer(world, browser):
    yield browser
    world.switch("bing")


@pytest.fixture(scope="module")
def results(world):
    return world.results("bing", "red cat")


def originals(viewer):
    """Return the originals of all tiles: those in sound JSON, and those that only the link names."""
    by_json, by_link = [], []
    for text, href in viewer.ask(TILES):
        try:
            by_json.append(json.loads(text or "")["murl"])
        except ValueError:
            by_link += parse_qs(urlsplit(href or "").query).get("mediaurl", [])
    return by_json, by_link


def test_scrolling_and_the_button_bring_every_result(viewer, results):
    viewer.open(PAGE)
    assert not viewer.ask(f"document.querySelector('{BUTTON}').offsetParent")
    viewer.scroll("#nothing")
    assert viewer.ask(f"!!document.querySelector('{BUTTON}').offsetParent")
    viewer.scroll(BUTTON)
    by_json, by_link = originals(viewer)
    assert list(dict.fromkeys(by_json)) == [result.original_url for result in results if result.route == "json"]
    assert list(dict.fromkeys(by_link)) == [result.original_url for result in results if result.route == "attribute"]
    assert len(by_link) > 3
    assert len(by_json) > len(set(by_json))


def test_the_end_is_an_empty_batch(world, viewer):
    world.log.clear()
    viewer.open(PAGE)
    viewer.scroll(BUTTON)
    batches = world.log.visits("www.bing.com", "/images/async")
    assert [parse_qs(visit.query)["first"][0] for visit in batches] == ["36", "71", "106", "141", "176", "211"]
    assert [visit.bytes > 0 for visit in batches] == [True] * 5 + [False]


def test_some_tiles_are_none(viewer):
    viewer.open(PAGE)
    tiles = viewer.ask(TILES)
    assert [None, None] in tiles
    assert ["{broken json", None] in tiles


def test_thumbnails_wait_for_the_window(viewer):
    viewer.open(PAGE)
    # One of the first batch: those that scrolling brings come behind it.
    viewer.ask("window.last = [...document.querySelectorAll('img.mimg[alt^=\"Red\"]')].at(-1)")
    assert viewer.ask("last.src").startswith("data:image/gif")
    viewer.ask("last.scrollIntoView()")
    assert viewer.wait("last.src.startsWith('https://ts') && last.naturalWidth >= 100")


def test_the_banner_takes_clicks_and_hides_nothing(world, viewer):
    world.switch("bing", "consent_overlay")
    viewer.open(PAGE)
    assert viewer.ask("!!document.elementFromPoint(300, innerHeight - 50).closest('#bnp_container')")
    assert len(viewer.ask(TILES)) > 35
    viewer.click("#bnp_btn_reject")
    viewer.driver.refresh()
    assert not viewer.ask("document.getElementById('bnp_container')")


def test_consent_instead_of_the_results(world, viewer):
    world.switch("bing", "consent_redirect")
    viewer.open(PAGE)
    assert "Before you continue" in viewer.text
    viewer.follow("button[name=agree]")
    assert viewer.wait("document.querySelectorAll('a.iusc').length > 35")


@pytest.mark.parametrize(
    ("mode", "words"), [("captcha", "verify you are a human"), ("empty", "There are no results for red cat")]
)
def test_a_refusal_says_so(world, viewer, mode, words):
    world.switch("bing", mode)
    viewer.open(PAGE)
    assert words in viewer.text


def test_the_layout_before_calls_the_original_otherwise(world, viewer, results):
    world.switch("bing", "last_years_layout")
    viewer.open(PAGE)
    assert viewer.ask(TILES) == []
    first = viewer.ask("document.querySelector('#dg_c a.thumb').getAttribute('m')")
    assert json.loads(first)["imgurl"] == results[0].original_url


def test_renamed_classes_leave_the_page_working(world, viewer):
    world.switch("bing", "renamed")
    viewer.open(PAGE)
    assert viewer.ask(TILES) == []
    tiles = "document.querySelectorAll('#mmComponent_images_1 a[m]').length"
    before = viewer.ask(tiles)
    viewer.scroll("#nothing")
    assert before < viewer.ask(tiles)


def test_a_scroll_is_lost_while_a_batch_comes(world, viewer):
    tiles, bottom = "document.querySelectorAll('a.iusc[m][href]').length", "scrollTo(0, 1e9)"
    world.switch("bing", "loses_scroll")
    viewer.open(PAGE)
    viewer.ask(bottom)
    assert viewer.wait(f"{tiles} >= 70 && ({bottom}, true)")
    assert not viewer.wait(f"{tiles} >= 105", 1.0)
    viewer.ask("scrollBy(0, -400)")
    viewer.ask(bottom)
    assert viewer.wait(f"{tiles} >= 105")


def test_stale_answers_go_round_in_circles(world, viewer, results):
    world.switch("bing", "cyclic")
    viewer.open(PAGE)
    viewer.scroll("#nothing")
    by_json, by_link = originals(viewer)
    assert len(by_json) > 24
    assert set(by_json) | set(by_link) >= {result.original_url for result in results[:12]}
    assert len(set(by_json) | set(by_link)) < 40


def test_broken_json_leaves_the_link(world, viewer, results):
    world.switch("bing", "broken_json", share=0.5)
    viewer.open(PAGE)
    by_json, by_link = originals(viewer)
    assert len(by_link) > 8
    assert set(by_json) | set(by_link) == {result.original_url for result in results[:35]}
