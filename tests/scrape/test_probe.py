"""What a person sees who asks why a site's file finds nothing."""

from contextlib import ExitStack

import pytest

from pixmill.browser import find_browser, open_browser
from pixmill.fetch.proxy import Proxy
from pixmill.scrape.probe import Finding, ProbeReport, probe
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.sites import load_site
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.duckduckgo import DuckDuckGo
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser
from tests.scrape.sources.engines import ENGINES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world():
    sites = (Amazon(total=40), Bing(total=40), DuckDuckGo(total=40), Google(total=40, scripted=1.0))
    with World(*sites) as world:
        yield world


@pytest.fixture(scope="module")
def driver(world, tmp_path_factory):
    with ExitStack() as opened:
        proxy = opened.enter_context(Proxy(world.network))
        profile = tmp_path_factory.mktemp("profile")
        yield opened.enter_context(
            open_browser(find_browser(), proxy=proxy.url, profile=profile, authority=world.network.authority)
        )


@pytest.fixture
def ask(world, driver, tmp_path):
    def ask(name, forbidden=()):
        source = ENGINES.get(name, SiteSource)(load_site(name, None))
        return probe(source, "saree", OneBrowser(driver, tmp_path / "other", forbidden), tmp_path / "probe")

    yield ask
    world.switch("amazon")


def test_what_each_selector_finds(world, ask):
    report = ask("amazon")
    assert (report.state, report.failure) == ("results", None)
    found = {(finding.place, finding.selector): finding for finding in report.findings}
    items = found["selectors.item", load_site("amazon", None).selectors["item"][0]]
    titles = found["selectors.title", "h2 span"]
    first, *_ = world.results("amazon", "saree")
    assert items.count == titles.count > 35
    assert titles.within
    assert titles.example == first.title
    assert found["states.captcha.selectors", "#captchacharacters"].count == 0
    assert report.tiles[0].key == first.key
    assert {tile.image for tile in report.further} <= {one.original_url for one in world.results("amazon", "saree")}
    assert f"rewrite: makes originals of {len(report.further)} of 40 addresses, e.g. https://" in report.elsewhere
    assert (report.folder / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "s-search-result" in (report.folder / "page.html").read_text()


def test_the_report_as_text(ask):
    lines = list(ask("amazon").lines())
    assert lines[0] == "https://www.amazon.in/s?k=saree"
    assert lines[1] == "amazon.yaml, checked 2026-11-20; the page: results"
    assert any("results  h2 span  e.g. " in line for line in lines)
    assert any("on the page  #sp-cc-accept" in line for line in lines)
    assert lines[-1].endswith("probe")


def test_the_words_of_a_page_command_no_terminal(tmp_path):
    finding = Finding("selectors.title", "h2", True, 1, "a \x1b[2J hat\n")
    report = ProbeReport("https://x.test/", "x", "2026-11-20", "results", (finding,), (), tmp_path)
    assert [line for line in report.lines() if "h2" in line] == ["        1 results  h2  e.g. a  [2J hat "]


def test_a_search_engine_too(ask):
    report = ask("bing")
    assert report.state == "results"
    assert len(report.tiles) >= 35


def test_originals_that_are_not_in_the_tiles_are_looked_for_where_a_search_does(world, ask):
    """Tiles without an address are as they should be here, and must not look like a page to mend."""
    report = ask("google")
    assert not any(tile.image for tile in report.tiles)
    truth = {result.key: result.original_url for result in world.results("google", "saree") if result.revealed}
    assert {tile.key: tile.image for tile in report.further if tile.image}.items() <= truth.items()
    assert "elsewhere, for 5 of the others: 5 with the address of a picture (script 5)" in report.lines()
    report = ask("duckduckgo")
    assert report.elsewhere.endswith("40 results, 40 with the address of a picture (json 40)")
    assert [tile.image for tile in report.further] == [one.original_url for one in world.results("duckduckgo", "saree")]


def test_a_changed_layout_shows_where_nothing_is_found(world, ask):
    world.switch("amazon", "last_years_layout")
    report = ask("amazon")
    assert report.state == "unknown"
    assert report.tiles == ()
    assert {finding.count for finding in report.findings if finding.place.startswith("selectors.")} == {0}


def test_a_page_that_must_not_be_opened(ask):
    report = ask("amazon", forbidden=["amazon"])
    assert report.state == "not opened"
    assert "robots.txt" in report.failure
    assert report.findings == ()


def test_a_robot_check_is_shown_for_what_it_is(world, ask):
    world.switch("amazon", "captcha")
    report = ask("amazon")
    assert report.state.startswith("captcha (")
    assert "proof of being human" in report.failure
    assert any(finding.count for finding in report.findings if finding.place == "states.captcha.selectors")
