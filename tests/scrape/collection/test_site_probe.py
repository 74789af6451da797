"""Probes of results pages."""

import pytest

from pixmill.scrape.collection.preview import ProbeReport, SelectorMatch, probe
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.site import SiteSource
from tests.browsing import open_confined
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser
from tests.scrape.sources.engines import ENGINES, hasty

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world():
    sites = (Bing(total=40), Google(total=40, scripted=1.0))
    with World(*sites) as world:
        yield world


@pytest.fixture(scope="module")
def driver(world, tmp_path_factory):
    with open_confined(world.network, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def ask(world, driver, tmp_path):
    def ask(name, forbidden=()):
        source = ENGINES.get(name, SiteSource)(hasty(name))
        return probe(
            source, "saree", OneBrowser(driver, tmp_path / "other", forbidden), tmp_path / "probe"
        )

    yield ask
    world.switch("bing")


@pytest.mark.slow
def test_counts_matches_of_each_selector(world, ask):
    report = ask("bing")
    assert report.failure is None
    findings = {(finding.place, finding.selector): finding for finding in report.findings}
    assert findings["selectors.item", load_site("bing", None).selectors["item"][0]].count >= 20
    assert report.candidates[0].image_url == world.results("bing", "saree")[0].original_url
    assert (report.folder / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "iusc" in (report.folder / "page.html").read_text()
    lines = list(report.lines())
    assert lines[0] == load_site("bing", None).address("saree")
    assert lines[-1].endswith("probe")


def test_replaces_control_characters(tmp_path):
    finding = SelectorMatch("selectors.title", "h2", True, 1, "a \x1b[2J hat\n")
    report = ProbeReport("https://x.test/", load_site("amazon", None), tmp_path, findings=[finding])
    assert [line for line in report.lines() if "h2" in line] == [
        "        1 results  h2  e.g. a  [2J hat "
    ]


@pytest.mark.slow
def test_a_changed_layout(world, ask):
    world.switch("bing", "last_years_layout")
    report = ask("bing")
    assert "its layout may have changed" in report.failure
    assert report.candidates == []
    assert {finding.count for finding in report.findings if finding.place == "selectors.item"} == {
        0
    }


@pytest.mark.slow
def test_a_forbidden_page(ask, driver):
    driver.get("data:,")
    report = ask("bing", forbidden=["bing"])
    assert "robots.txt" in report.failure
    assert report.candidates == []
    assert not report.folder.exists()
    assert list(report.lines())[-1] == "no page was opened, so none is saved"
