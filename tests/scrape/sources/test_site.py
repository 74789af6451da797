"""Results pages of several kinds, in a real browser."""

import threading
import time
from pathlib import Path

import pytest

from pixmill.core.errors import ScrapeError
from pixmill.fetch.browser import visit
from pixmill.fetch.values import Network
from pixmill.scrape.candidate import Query
from pixmill.scrape.collection.preview import probe
from pixmill.scrape.sources.definition import Buttons, Offset, parse_site
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import SearchError
from tests.browsing import open_confined
from tests.scrape.sources.access import OneBrowser
from tests.scrape.sources.site_pages import CARD, OVERRIDES, PAGES, numbered
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser

DEFINITION = """\
name: tiny
version: 1
checked: 2026-11-20
url: http://pages.test/{query}
selectors:
  item: [".card"]
  key: ["@data-id"]
  image: ["img"]
  link: ["a@href"]
  title: ["h3"]
  price: [".price"]
consent: {selectors: ["#consent"], texts: ["Reject all"]}
more: {selectors: ["#more"], texts: ["Show more results"]}
states:
  captcha: {selectors: ["#captcha-form"], texts: ["are you a robot"], urls: ["/sorry/"]}
  consent: {urls: ["/consent$"], texts: ["before you continue"]}
  empty: {selectors: ["[data-nothing]"], texts: ["did not match any"]}
  shell: {texts: ["enablejs"]}
settings: {pause: [0.04, 0.06], smooth: false, patience: 0.9}
"""
OPEN = parse_site(DEFINITION, source="tiny.yaml")
"""Without an end mark."""

QUICK = OPEN.model_copy(update={"end": ("[data-end]",)})
PAGED = OPEN.model_copy(update={"next": Buttons(selectors=(".next",))})


class Pages(Handler):
    def respond(self):
        name, _, query = self.path.removeprefix("/").partition("?")
        if name == "hanging":
            self.server.closing.wait(30)
            return
        if name == "moved":
            self.answer(status=302, Location=f"/{query}")
            return
        script = PAGES.get(name, "")
        if name == "counted":
            number = int(query.partition("=")[2] or 0)
            script = numbered(number, "") if number < 4 else PAGES["nothing"] if number == 4 else ""
        status = int(name) if name.isdecimal() else 200 if script or name == "blank" else 404
        self.answer(
            f"<!doctype html><meta charset=utf-8><body><script>{CARD}{script}</script>", status
        )


@pytest.fixture(scope="module")
def server():
    with serve(Pages) as server:
        server.closing = threading.Event()
        yield server
        server.closing.set()


@pytest.fixture(scope="module")
def network(server):
    return Network(served={"pages.test:80": server.server_port})


@pytest.fixture(scope="module")
def driver(network, tmp_path_factory):
    with open_confined(network, tmp_path_factory.mktemp("profile")) as driver:
        # The first page of a new browser may take seconds.
        visit(driver, "http://pages.test/blank")
        driver.set_page_load_timeout(4)
        yield driver


@pytest.fixture
def stream(driver, tmp_path):
    def stream(name, site=QUICK, source=SiteSource, *, forbidden=(), **hooks):
        access = OneBrowser(driver, tmp_path / "evidence", forbidden)
        return source(site, **hooks).search(
            Query("hat", "hat", f"http://pages.test/{name}"), access
        )

    return stream


@pytest.fixture
def read(stream):
    return lambda *given, **named: list(stream(*given, **named))


def settings(site, **changes):
    return site.model_copy(update={"settings": site.settings.model_copy(update=changes)})


def images(candidates):
    return [candidate.image_url for candidate in candidates]


def media(count, start=0):
    return [f"http://pages.test/media/{number}.png" for number in range(start, start + count)]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("short", 3),
        ("scrolling", 15),
        ("button", 6),
        ("marked", 8),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("slow", 20), ("lost", 4))),
    ],
)
def test_reads_a_page_to_its_end(read, name, count):
    assert images(read(name)) == media(count)


@pytest.mark.slow
def test_presses_the_more_button_while_it_loads_results(read):
    assert images(read("patient", settings(OPEN, patience=2.0))) == media(15)


def test_lazy_images_keep_their_rank(read):
    assert images(read("late")) == [*media(12), None]


def test_waits_for_images_after_the_end(read):
    assert images(read("tardy", settings(QUICK, patience=6.0))) == media(3)


def test_reopens_a_page_with_failed_requests(read):
    assert images(read("dropped", OPEN)) == media(4)


def test_reads_a_card(read):
    card, inlined, odd, spaced = read("words")
    assert (card.label, card.query, card.rank, card.route) == ("hat", "hat", 0, "attribute")
    assert (card.image_url, card.page_url) == ("http://other.test/x.png", "http://pages.test/p/1")
    assert (card.title, card.price, card.thumbnail_url) == ("A hat", "€ 5", card.image_url)
    assert inlined.image_url.startswith("data:image/gif;base64,")
    assert (inlined.page_url, inlined.title, inlined.price) == (
        "http://pages.test/words",
        None,
        None,
    )
    assert (odd.rank, odd.image_url, odd.route) == (2, None, None)
    assert spaced.image_url == "http://pages.test/media/a%20bc%01.png"


@pytest.mark.parametrize("name", ["repeating", "stuck"])
def test_without_end_mark_stops_when_nothing_new_loads(read, name):
    assert images(read(name, OPEN)) == media(5)


def test_stopping_before_the_end_mark_is_an_error(stream):
    candidates = stream("stuck")
    assert images(next(candidates) for _ in range(5)) == media(5)
    with pytest.raises(
        SearchError, match=r"stopped after 5 results: .* nor the end mark \('\[data-end\]'"
    ) as error:
        next(candidates)
    assert error.value.failure == "stalled"
    assert "settings.patience in tiny.yaml" in error.value.advice


@pytest.mark.parametrize(("selector", "total"), [(".count", 1290), (".nothing", None)])
def test_total(read, selector, total):
    site = QUICK.model_copy(update={"total": (selector,)})
    assert [candidate.total for candidate in read("counted-out", site)] == [total] * 3


def test_limits_endless_pages(read):
    assert images(read("unending", settings(OPEN, most=100))) == media(100)
    with pytest.raises(SearchError, match=r"did not end within 0\.4 s") as error:
        read("unending", settings(OPEN, longest=0.4))
    assert error.value.failure == "endless"


def test_follows_next_pages(read):
    assert images(read("pages0", PAGED)) == media(11)
    assert images(read("round", PAGED)) == media(3)


def test_scrolls_the_box_that_holds_the_results(read):
    assert images(read("boxed")) == media(15)


@pytest.mark.parametrize("name", ["turning", "divided", "hashed"])
def test_presses_a_next_button_without_a_url(read, name):
    assert images(read(name, PAGED)) == media(9)


def test_plain_text_in_place_of_a_next_button_is_the_end(read):
    assert images(read("single", PAGED)) == media(3)


def test_a_next_button_without_effect_is_an_error(stream):
    candidates = stream("idle", PAGED)
    assert images(next(candidates) for _ in range(3)) == media(3)
    with pytest.raises(SearchError, match="stopped after 3 results") as error:
        next(candidates)
    assert error.value.failure == "stalled"
    assert "'next' in tiny.yaml" in error.value.advice


@pytest.mark.parametrize(("name", "turned"), [("turning", True), ("ranged", False)])
def test_a_probe_names_an_early_end(driver, tmp_path, name, turned):
    report = probe(SiteSource(PAGED), name, OneBrowser(driver, tmp_path), tmp_path / "probe")
    assert report.turned is turned
    assert any("WARNING" in line for line in report.lines()) is not turned
    assert any("480 results, and shows 3" in line for line in report.lines()) is not turned


def test_pictures_with_lazy_sources(read):
    assert images(read("pictures")) == [
        f"http://pages.test/media/{size}.jpg" for size in (1600, 1600, 800)
    ]


def test_takes_the_largest_image_that_a_result_names(read):
    large = "http://pages.test/media/large.jpg"
    site = QUICK.model_copy(update={"selectors": QUICK.selectors | {"link": ("[href]@href",)}})
    found = read("lazy", site)
    assert images(found) == [
        large,
        large,
        "http://pages.test/image?id=1",
        *[large] * 7,
        "http://pages.test/tiny/20.png",
    ]
    # If a guessed one does not exist, the shown one is used.
    assert found[0].thumbnail_url == "http://pages.test/tiny/20.png"


def test_a_probe_names_addresses_that_are_not_taken(driver, tmp_path):
    chosen = QUICK.model_copy(update={"addresses": ("src",)})
    report = probe(SiteSource(chosen), "lazy", OneBrowser(driver, tmp_path), tmp_path / "probe")
    places = {(each.place, each.selector): each.count for each in report.findings}
    assert places["not in addresses", "data-original"] == 1
    assert places["not in addresses", "span@data-original"] == 1


def test_counts_pages_with_an_offset(read):
    counted = OPEN.model_copy(update={"offset": Offset(parameter="page", first=0)})
    assert images(read("counted", counted)) == media(9)
    assert images(read("counted", settings(counted, most=5))) == media(5)


def test_rejects_a_next_page_on_another_site(read):
    with pytest.raises(
        SearchError, match=r"links to another site for its next page: http://evil\.test"
    ):
        read("away", PAGED)


def test_checks_robots_txt_for_every_page(stream):
    candidates = stream("pages0", PAGED, forbidden=["pages1"])
    assert len([next(candidates) for _ in range(3)]) == 3
    with pytest.raises(SearchError, match=r"pages1 .*robots\.txt") as error:
        next(candidates)
    assert error.value.failure == "robots"
    assert "scrape.robots_exceptions" in error.value.advice


def test_checks_robots_txt_for_redirects(read):
    assert images(read("moved?short")) == media(3)
    with pytest.raises(SearchError, match=r"pages\.test/short is disallowed by robots\.txt"):
        read("moved?short", forbidden=["test/short"])
    with pytest.raises(SearchError, match="captcha-form") as error:
        read("moved?human", forbidden=["test/human"])
    assert error.value.failure == "captcha"


def test_follows_buttons_like_links(read):
    assert images(read("wandering?/pages2", OPEN)) == [*media(3), *media(3, start=4)]
    with pytest.raises(SearchError, match=r"pages1 is disallowed by robots\.txt"):
        read("wandering?/pages1", OPEN, forbidden=["pages1"])
    with pytest.raises(SearchError, match="redirected to another site: ") as error:
        read("wandering?http://other.test/x", OPEN)
    assert error.value.failure == "stalled"


def test_refuses_consent(read):
    both = OPEN.model_copy(
        update={"consent": OPEN.consent.model_copy(update={"texts": ("Reject all", "Accept all")})}
    )
    assert images(read("walled", both)) == media(3)


@pytest.mark.parametrize(
    ("name", "site"), [("overlaid", QUICK), ("innocent", QUICK), ("alerting", OPEN)]
)
def test_overlays_do_not_hide_results(read, name, site):
    assert images(read(name, site)) == media(3)


@pytest.mark.parametrize(
    ("name", "failure", "sign"),
    [
        ("human", "captcha", "#captcha-form"),
        pytest.param("wall", "consent", "'before you continue'", marks=pytest.mark.slow),
        ("shell", "blocked", "'enablejs'"),
        ("nothing", "no_results", "[data-nothing]"),
        ("403", "blocked", "status 403"),
        (
            "404",
            "layout_changed",
            "status 404: check the url in tiny.yaml (last checked 2026-11-20)",
        ),
        pytest.param(
            "changed",
            "layout_changed",
            "nothing matched '.card' (tiny.yaml, selectors.item, checked 2026-11-20)",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "blind",
            "layout_changed",
            "without images: nothing but placeholders matched 'img' (tiny.yaml, selectors.image, ",
            marks=pytest.mark.slow,
        ),
        pytest.param("hanging", "timeout", "did not load in time", marks=pytest.mark.slow),
    ],
)
def test_names_and_saves_pages_without_results(read, name, failure, sign):
    began = time.monotonic()
    with pytest.raises(SearchError) as error:
        read(name, OPEN)
    assert time.monotonic() - began < 60
    assert error.value.failure == failure
    assert sign in error.value.message
    assert error.value.message.startswith(f"http://pages.test/{name} ")
    evidence = Path(error.value.evidence)
    assert (evidence / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "<body>" in (evidence / "page.html").read_text()


def test_a_block_on_a_later_page_keeps_results(stream):
    candidates = stream("first", PAGED)
    assert images(next(candidates) for _ in range(3)) == media(3)
    with pytest.raises(SearchError, match="shows a CAPTCHA"):
        next(candidates)


def test_names_an_invalid_selector(read):
    invalid = OPEN.model_copy(update={"selectors": {"item": ("a[",)}})
    with pytest.raises(ScrapeError, match=r"tiny\.yaml: expected CSS selectors, received 'a\['"):
        read("short", invalid)


def test_rewrite(read):
    lifted = QUICK.model_copy(
        update={
            "rewrite": parse_site(
                DEFINITION
                + """
rewrite:
  - {pattern: 'media/(\\d)', replacement: 'full/\\1', unless: 'media/1'}
""",
                source="tiny.yaml",
            ).rewrite
        }
    )
    first, second, _ = read("short", lifted)
    assert (first.image_url, first.thumbnail_url) == (
        "http://pages.test/full/0.png",
        "http://pages.test/media/0.png",
    )
    assert (second.image_url, second.thumbnail_url) == ("http://pages.test/media/1.png", None)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("state", "lists") else pytest.mark.slow)
        for name in OVERRIDES
    ],
)
def test_a_page_that_changes_builtins_ends_its_search(read, name):
    with pytest.raises(SearchError, match=r"cannot be (read|searched)"):
        read(f"override-{name}")


@pytest.mark.slow
def test_skips_huge_data_uris(read):
    large, small = read("heavy")
    assert (large.image_url, len(small.image_url)) == (None, 3_000_022)
