"""The replica of Google's image results, seen by a real browser and a script written for it alone."""

import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException

from tests.scrape.replicas.google import Google
from tests.scrape.replicas.viewer import viewing
from tests.scrape.replicas.world import World

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = "https://www.google.com/search?q=red+cat&udm=2"
KEYS = "[...document.querySelectorAll('[data-docid]')].map((tile) => tile.dataset.docid)"
SCRIPTS = "[...document.scripts].map((script) => script.textContent).join('\\n')"
LINK = "[...document.querySelectorAll('#Sva75c c-wiz')].at(-1)?.querySelector('a[href]')?.href"


@pytest.fixture(scope="module")
def world():
    with World(Google(total=140, batch=40, button_after=80, inlined=10)) as world:
        yield world


@pytest.fixture(scope="module")
def browser(world, tmp_path_factory):
    with viewing(world, tmp_path_factory.mktemp("profile")) as viewer:
        yield viewer


@pytest.fixture
def viewer(world, browser):
    yield browser
    world.switch("google")


@pytest.fixture(scope="module")
def results(world):
    return world.results("google", "red cat")


def in_scripts(viewer):
    """Return the originals in the page's scripts: the second of two neighbouring arrays of an address and a size."""
    pair = re.compile(r'\["https?:[^"]*",\d+,\d+\],\[("https?:[^"]*"),\d+,\d+\]')
    return [json.loads(found) for found in pair.findall(viewer.ask(SCRIPTS))]


def opened(viewer, key, *, seconds=30.0):
    """Click on a tile, and return where its panel's link leads; nothing where none comes."""
    viewer.click(f"[data-docid='{key}'] h3 > a")
    link = viewer.wait(LINK, seconds)
    return link and {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}


def test_scrolling_and_the_button_bring_every_result_in_order(viewer, results):
    viewer.open(PAGE)
    assert len(viewer.ask(KEYS)) == 40
    viewer.scroll("#nothing")
    assert len(viewer.ask(KEYS)) == 80
    viewer.scroll("[aria-label='More results']")
    assert viewer.ask(KEYS) == [result.key for result in results]
    assert len(in_scripts(viewer)) > 70
    assert in_scripts(viewer) == [result.original_url for result in results if result.route == "script"]


def test_a_click_brings_the_thumbnail_then_the_original(viewer, results):
    viewer.open(PAGE)
    for result in [result for result in results[:40] if result.route == "click"][:4]:
        assert not viewer.ask(f"document.querySelector('[data-docid=\"{result.key}\"] a').href")
        facts = opened(viewer, result.key)
        assert (facts["imgurl"], facts["imgrefurl"]) == (result.original_url, result.page_url)
        images = viewer.ask("[...document.querySelectorAll('#Sva75c c-wiz:last-child img')].map((img) => img.src)")
        assert len(images) == 2
        assert images[0].startswith(("data:image/jpeg", "https://encrypted-tbn"))


def test_some_panels_never_bring_it(viewer, results):
    viewer.open(PAGE)
    viewer.scroll("[aria-label='More results']")
    silent = [result for result in results if not result.revealed]
    assert 0 < len(silent) < 10
    assert opened(viewer, silent[0].key, seconds=1.0) is None


def test_thumbnails_are_inlined_at_first_and_then_wait_for_the_window(viewer):
    viewer.open(PAGE)
    sources = viewer.ask("[...document.querySelectorAll('g-img img')].map((img) => img.src.slice(0, 22))")
    assert sources[:10] == ["data:image/jpeg;base64"] * 10
    assert sources[-1] == "data:image/gif;base64,"
    viewer.ask("scrollTo(0, document.body.scrollHeight)")
    shown = "[...document.querySelectorAll('g-img img')][39]"
    assert viewer.wait(f"{shown}.src.startsWith('https://encrypted-tbn') && {shown}.naturalWidth >= 100")


def test_decorations_look_like_thumbnails(viewer):
    viewer.open(PAGE)
    small = viewer.ask("[...document.querySelectorAll('img[alt=\"\"]')].map((img) => img.width)")
    assert len(small) > 40
    assert max(small) <= 46
    assert viewer.ask("document.querySelectorAll('.my5z3d img[src*=encrypted-tbn]').length") == 1


def test_consent_on_a_page_of_its_own(world, viewer):
    world.switch("google", "consent_redirect")
    viewer.open(PAGE)
    assert viewer.driver.current_url.startswith("https://consent.google.com/m?continue=")
    assert viewer.ask("document.querySelectorAll('form[action*=\"/save\"]').length") == 2
    viewer.follow("button[aria-label='Reject all']")
    assert viewer.wait("document.querySelectorAll('[data-docid]').length") == 40


def test_consent_that_is_asked_for_again_and_again(world, viewer):
    world.switch("google", "consent_redirect", stuck=True)
    viewer.open(PAGE)
    viewer.follow("button[aria-label='Accept all']")
    assert "Before you continue" in viewer.text


def test_consent_over_the_results(world, viewer):
    world.switch("google", "consent_overlay")
    viewer.open(PAGE)
    covered = "!!document.elementFromPoint(200, 200).closest('#CXQnmb')"
    assert viewer.ask(covered)
    viewer.click("#W0wltc")
    assert not viewer.ask(covered)
    viewer.driver.refresh()
    assert not viewer.ask("document.getElementById('CXQnmb')")


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("sorry429", 429, "detected unusual traffic"),
        ("captcha", 200, "detected unusual traffic"),
        ("block_200", 200, "has moved"),
        ("block_503", 503, "has moved"),
        ("empty", 200, "did not match any documents"),
    ],
)
def test_a_refusal_says_so(world, viewer, mode, status, words):
    world.switch("google", mode)
    viewer.open(PAGE)
    assert viewer.status == status
    assert words in viewer.text
    assert ("/sorry/index" in viewer.driver.current_url) == (mode == "sorry429")


def test_a_shell_shows_nothing(world, viewer):
    world.switch("google", "js_shell")
    viewer.open(PAGE)
    assert viewer.text.strip() == ""
    assert "/httpservice/retry/enablejs" in viewer.driver.page_source


def test_a_layout_without_hooks_shows_images_all_the_same(world, viewer):
    world.switch("google", "unknown_layout")
    viewer.open(PAGE)
    assert viewer.ask("document.querySelectorAll('section').length") == 60
    assert viewer.ask("document.querySelectorAll('[data-docid], img').length") == 0


def test_the_layout_before_gives_the_same_results(world, viewer, results):
    world.switch("google", "last_years_layout")
    viewer.open(PAGE)
    viewer.scroll(".mye4qd")
    keys = viewer.ask("[...document.querySelectorAll('#islrg .isv-r')].map((tile) => tile.dataset.id)")
    assert keys == [result.key for result in results]
    assert "reached the end" in viewer.text
    assert len(in_scripts(viewer)) > 70
    viewer.click(f"[data-id='{keys[0]}'] a.wXeWr")
    assert viewer.wait(LINK)


def test_renamed_classes_leave_the_page_working(world, viewer, results):
    world.switch("google", "renamed", seed=5)
    viewer.open(PAGE)
    viewer.scroll("[aria-label='More results']")
    assert viewer.ask("document.querySelectorAll('.ivg-i, .H8Rx8c, [jsname=dTDiAc]').length") == 0
    assert viewer.ask(KEYS) == [result.key for result in results]
    assert opened(viewer, results[0].key)


def test_an_endless_page_repeats_its_last_batch(world, viewer, results):
    world.switch("google", "endless")
    viewer.open(PAGE)
    viewer.ask("void setInterval(() => scrollTo(0, 1e9), 20)")
    viewer.ask("void setInterval(() => document.querySelector('#more-results').click(), 50)")
    assert viewer.wait(f"{KEYS}.length > 300", 20)
    assert set(viewer.ask(KEYS)) == {result.key for result in results}


def test_a_grid_drawn_anew_leaves_stale_elements(world, viewer):
    world.switch("google", "rerender")
    viewer.open(PAGE)
    held = viewer.driver.find_element("css selector", "[data-docid]")
    viewer.scroll("#nothing")
    with pytest.raises(StaleElementReferenceException):
        held.get_attribute("data-docid")
    assert len(viewer.ask(KEYS)) == 80


def test_broken_arrays_leave_their_results_to_clicks(world, viewer, results):
    viewer.open(PAGE)
    sound = set(in_scripts(viewer))
    world.switch("google", "broken_json")
    viewer.open(PAGE)
    left = set(in_scripts(viewer))
    assert 0 < len(left) < len(sound)
    lost = next(result for result in results[:40] if result.original_url in sound - left)
    assert opened(viewer, lost.key)["imgurl"] == lost.original_url


def test_originals_may_be_pages(world, viewer, results):
    world.switch("google", "original_is_html")
    viewer.open(PAGE)
    assert opened(viewer, results[0].key)["imgurl"] == results[0].page_url


def test_popups_are_opened(world, viewer):
    world.switch("google", "popups", delay=0)
    viewer.open(PAGE)
    viewer.click("h3 > a")
    end = time.monotonic() + 30
    while not world.log.visits("ads-0.test") and time.monotonic() < end:
        time.sleep(0.05)
    first, *others = viewer.driver.window_handles
    for other in others:
        viewer.driver.switch_to.window(other)
        viewer.driver.close()
    viewer.driver.switch_to.window(first)
    assert others
    assert world.log.visits("ads-0.test", "/popup/")


def test_a_traffic_trap_gets_its_script(world, viewer):
    world.switch("google", "webrtc", "download", delay=0, stun="stun:127.0.0.1:9")
    viewer.open(PAGE)
    assert viewer.wait("document.querySelector('a[download]')?.download") == "surprise.bin"
