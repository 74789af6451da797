"""What a person sees who asks why a site's file finds nothing."""

import io
from dataclasses import replace

import pytest
from PIL import Image
from tests.scrape.replicas.duckduckgo import DuckDuckGo

from pixmill.scrape.collection.site_probe import ProbeReport, SelectorMatch, probe
from pixmill.scrape.sources.definition import Buttons, load_site, parse_site
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch import Network
from tests.browsing import open_confined
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser
from tests.scrape.sources.engines import ENGINES
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world():
    sites = (Amazon(total=40), Bing(total=40), DuckDuckGo(total=40), Google(total=40, scripted=1.0))
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
    [pytest.param("google", "script", marks=pytest.mark.slow), ("bing", "json"), ("duckduckgo", "json")],
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


GALLERY = """\
name: gallery
version: 1
checked: 2026-11-20
url: http://gallery.test/{query}
selectors:
  item: [".card"]
  image: ["img"]
  link: ["a@href"]
consent: {selectors: ["#accept", "#reject"], texts: [No thanks]}
more: {texts: ["Show more"]}
total: [".count"]
settings: {pause: [0.02, 0.03], smooth: false, patience: 0.4}
"""
WIDTHS = "srcset='/300-{0}.png 300w, /1024-{0}.png 1024w' sizes=300px"
CARDS = {
    "large": [f"<img src=/600-{n}.png>" for n in range(14)] + [f"<img src=/100-{n}.png>" for n in range(6)],
    "srcset": [f"<img src=/300-{n}.png {WIDTHS.format(n)}>" for n in range(20)],
    "same": [f"<img src=/600-{n}.png srcset='/600-{n}.png 600w'>" for n in range(3)] + ["<img src=/gone.png>"],
}
PAGE = """<p class=count>20 of 290</p><main>{}</main><button id=reject onclick="this.remove()">Reject</button>
<a role=button onclick="this.remove()">show MORE</a>"""


class Gallery(Handler):
    """Pages of cards that link to pages of their own, and images as wide as their names say."""

    def respond(self):
        name = self.path.removeprefix("/")
        if name in CARDS:
            cards = (f"<div class=card><a href=/p/{n}>{img}</a></div>" for n, img in enumerate(CARDS[name]))
            self.answer(PAGE.format("".join(cards)))
        elif name.endswith(".png") and name != "gone.png":
            picture = io.BytesIO()
            Image.new("RGB", (int(name.partition("-")[0]), 90)).save(picture, "PNG")
            self.answer(picture.getvalue(), kind="image/png")
        else:
            self.answer(status=404)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    with (
        serve(Gallery) as server,
        open_confined(
            Network(served={"gallery.test:80": server.server_port}), tmp_path_factory.mktemp("gallery")
        ) as driver,
    ):
        yield driver


@pytest.fixture
def look(gallery, tmp_path):
    def look(name):
        source = SiteSource(parse_site(GALLERY, source="gallery.yaml"))
        return [*probe(source, name, OneBrowser(gallery, tmp_path / "other"), tmp_path / "probe").lines()]

    return look


def test_buttons_that_are_gone_since_they_were_pressed(look):
    lines = look("same")
    assert "          pressed  #reject" in lines
    assert "          pressed  Show more" in lines
    assert "    0 on the page  #accept" in lines
    assert "    0 on the page  No thanks" in lines
    assert "    1 on the page  .count  e.g. 20 of 290" in lines


def test_thumbnails_are_told_by_their_size_as_by_a_run(look):
    [line] = [line for line in look("large") if "are thumbnails" in line]
    assert line == "  6 of 20 measured images are thumbnails: product pages may show larger ones ('detail')"


def test_images_that_srcset_offers_larger_are_named(look):
    lines = look("srcset")
    at = lines.index("not in addresses:")
    assert lines[at + 1] == "       20 results  srcset  e.g. http://gallery.test/1024-0.png"
    [line] = [line for line in lines if "are thumbnails" in line]
    assert line == (
        "  20 of 20 measured images are thumbnails: take those of srcset ('addresses: [srcset, data-src, currentSrc, "
        "src]'), or product pages may show larger ones ('detail')"
    )


def test_images_that_are_large_enough_or_unknown_need_no_word(look):
    assert not [line for line in look("same") if "are thumbnails" in line or "not in addresses" in line]
