"""What a person sees who asks why a site's file finds nothing."""

from dataclasses import replace

import pytest

from pixmill.scrape.collection.site_probe import ProbeReport, SelectorMatch, probe
from pixmill.scrape.sources.definition import Buttons, load_site
from pixmill.scrape.sources.site import SiteSource
from tests.browsing import open_confined
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser
from tests.scrape.sources.engines import ENGINES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world():
    sites = (Amazon(total=40), Bing(total=40), Google(total=40, scripted=1.0))
    with World(*sites) as world:
        yield world


@pytest.fixture(scope="module")
def driver(world, tmp_path_factory):
    with open_confined(world.network, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def ask(world, driver, tmp_path):
    def ask(name, forbidden=()):
        source = ENGINES.get(name, SiteSource)(load_site(name, None))
        return probe(source, "saree", OneBrowser(driver, tmp_path / "other", forbidden), tmp_path / "probe")

    yield ask
    world.switch("amazon")


def test_what_each_selector_finds(world, ask):
    report = ask("amazon")
    assert report.failure is None
    findings = {(finding.place, finding.selector): finding for finding in report.findings}
    items = findings["selectors.item", load_site("amazon", None).selectors["item"][0]]
    titles = findings["selectors.title", "a h2 span"]
    first, *_ = world.results("amazon", "saree")
    assert items.count == titles.count > 35
    assert titles.within
    assert titles.example == first.title
    assert findings["states.captcha.selectors", "#captchacharacters"].count == 0
    assert report.candidates[0].image_url == first.original_url
    assert (report.folder / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "s-search-result" in (report.folder / "page.html").read_text()
    lines = list(report.lines())
    assert lines[:2] == ["https://www.amazon.in/s?k=saree", "amazon.yaml, checked 2026-11-20"]
    assert any("results  h2 span  e.g. " in line for line in lines)
    assert any("on the page  #sp-cc-accept" in line for line in lines)
    assert lines[-1].endswith("probe")
    alone = "  without 'next', 'offset' or 'more', only what this page itself loads is read"
    assert alone not in lines
    assert alone in replace(report, site=report.site.model_copy(update={"next": Buttons(), "offset": None})).lines()


def test_the_words_of_a_page_command_no_terminal(tmp_path):
    finding = SelectorMatch("selectors.title", "h2", True, 1, "a \x1b[2J hat\n")
    report = ProbeReport("https://x.test/", load_site("amazon", None), tmp_path, findings=[finding])
    assert [line for line in report.lines() if "h2" in line] == ["        1 results  h2  e.g. a  [2J hat "]


@pytest.mark.parametrize(
    ("name", "route"),
    [pytest.param("google", "script", marks=pytest.mark.slow), ("bing", "json")],
)
def test_originals_are_found_as_by_a_search(world, ask, name, route):
    report = ask(name)
    originals = {candidate.image_url for candidate in report.candidates} - {None}
    assert originals <= {result.original_url for result in world.results(name, "saree")}
    [line] = [line for line in report.lines() if "results read" in line]
    assert line == f"20 results read, {len(originals)} with the URL of an original ({route} {len(originals)})"


@pytest.mark.slow  # it waits for as long as a page may stand still
def test_a_changed_layout_shows_where_nothing_is_found(world, ask):
    world.switch("amazon", "last_years_layout")
    report = ask("amazon")
    assert "its layout may have changed" in report.failure
    assert report.candidates == []
    assert {finding.count for finding in report.findings if finding.place.startswith("selectors.")} == {0}


def test_a_page_that_must_not_be_opened(ask, driver):
    driver.get("data:,")  # as a new browser
    report = ask("amazon", forbidden=["amazon"])
    assert "robots.txt" in report.failure
    assert report.candidates == []
    assert not report.folder.exists()
    assert list(report.lines())[-1] == "no page was opened, so none is saved"


def test_a_robot_check_is_shown_for_what_it_is(world, ask):
    world.switch("amazon", "captcha")
    report = ask("amazon")
    assert "shows a CAPTCHA" in report.failure
    assert any(finding.count for finding in report.findings if finding.place == "states.captcha.selectors")
