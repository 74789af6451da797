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
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world():
    with World(Amazon(total=40), Bing(total=40)) as world:
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
        source = SiteSource(load_site(name, None))
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
