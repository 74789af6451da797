"""Pages of single results, in a real browser."""

from urllib.parse import unquote

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.fetch.browser import visit
from pixmill.fetch.values import Network
from pixmill.scrape.candidate import Query
from pixmill.scrape.collection.preview import probe
from pixmill.scrape.journal import Journal
from pixmill.scrape.sources.definition import parse_site
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import SearchError
from tests.browsing import open_confined
from tests.scrape.sources.access import OneBrowser
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser

SITE = parse_site(
    """\
name: tiny
version: 1
checked: 2026-11-20
url: http://shop.test/{query}
selectors:
  item: [".card"]
  key: ["@id"]
  image: ["img"]
  link: ["a@href"]
addresses: [currentSrc, src]
detail: {image: ["#zoom@href", "#photo", "meta[property='og:image']@content"]}
next: {selectors: [".next"]}
states:
  captcha: {selectors: ["#captcha-form"], texts: ["are you a robot"]}
  empty: {texts: ["not for sale"]}
settings: {pause: [0.02, 0.03], smooth: false, patience: 1}
""",
    source="tiny.yaml",
)
PRODUCTS = {
    "photo": (200, "<img id=photo src=/large/photo.png>"),
    "zoom": (200, "<a id=zoom href=/large/zoom.png><img id=photo src=/medium.png></a>"),
    "meta": (200, "<meta property='og:image' content='/large/meta.png'>"),
    "late": (
        200,
        (
            "<script>setTimeout(() => document.body.innerHTML = '<img id=photo "
            "src=/large/late.png>', "
            "300)</script>"
        ),
    ),
    "wordy": (
        200,
        "<p>Are you a robot? This robot is not for sale.</p><img id=photo src=/large/wordy.png>",
    ),
    "same": (200, "<img id=photo src=/small/same.png>"),
    "bare": (200, "<p>No photograph yet.</p>"),
    "sold": (200, "<p>This is not for sale.</p>"),
    "gone": (404, ""),
    "broken": (500, ""),
    "asking": (200, "<form id=captcha-form></form>"),
    "refusing": (429, ""),
    "leap": (302, "/private/x"),
    "hop": (302, "http://other.test/p/photo"),
    "robot": (200, "<p>Are you a robot?</p>"),
    "slow-robot": (
        200,
        "<p>Are you a robot?</p><script>setTimeout("
        "() => document.body.innerHTML += '<img id=photo src=/large/slow-robot.png>', "
        "300)</script>",
    ),
}

FEED = """<div id=all></div><script>
let number = 0;
const add = () => { for (let i = 0; i < 6; i++) all.insertAdjacentHTML("beforeend",
  `<div class=card id=f${number} style="height: 300px"><img src=/small/f${number}.png>
   <a href=/p/photo-${number++}>A hat</a></div>`); };
add();
addEventListener("scroll", add);
</script>
"""
"""An endless results page."""

DRAWN = (
    "<p>Hats</p><script>setTimeout(() => document.body.insertAdjacentHTML('beforeend', `%s`), "
    "300)</script>"
)
"""A results page drawn by a script."""


def card(name, link):
    href = f"<a href='{link}'>A hat</a>" if link else ""
    img = (
        f"<img src=/small/{name}.png width=320 height=100 sizes=320px srcset='/small/{name}.png "
        "320w, /x.png 640w'>"
    )
    return f"<div class=card id={name}>{img}{href}</div>"


class Products(Handler):
    """Serve results pages ``/<name>,…`` (``;`` parts pages) and product pages ``/p/<name>``."""

    def respond(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/drawn/"):
            status = 200
            body = DRAWN % "".join(
                card(name, f"/p/{name}") for name in unquote(self.path[7:]).split(",")
            )
        elif self.path == "/feed":
            status = 200
            body = FEED
        elif self.path.startswith("/private/"):
            status, body = PRODUCTS["late"]
        elif self.path.startswith("/p/"):
            name = self.path[3:]
            status, body = PRODUCTS.get(name) or PRODUCTS.get(name.partition("-")[0], (404, ""))
        else:
            page, _, rest = unquote(self.path[1:]).partition(";")
            links = {"linkless": "", "foreign": "http://other.test/p/photo"}
            cards = [card(name, links.get(name, f"/p/{name}")) for name in page.split(",")]
            status = 200
            body = "".join(cards) + (f"<a class=next href='/{rest}'>Next</a>" if rest else "")
        self.answer(
            f"<!doctype html><body>{body}", status, **({"Location": body} if status == 302 else {})
        )


@pytest.fixture(scope="module")
def server():
    with serve(Products) as server:
        server.asked = []
        yield server


@pytest.fixture(scope="module")
def driver(server, tmp_path_factory):
    network = Network(served=dict.fromkeys(("shop.test:80", "other.test:80"), server.server_port))
    with open_confined(network, tmp_path_factory.mktemp("profile")) as driver:
        visit(driver, "http://shop.test/p/bare")
        yield driver


@pytest.fixture(autouse=True)
def wait(monkeypatch):
    """Set the timeout for images; the default is too short for images shown late."""

    def wait(seconds):
        monkeypatch.setattr("pixmill.scrape.sources.site._DETAIL_TIMEOUT_SECONDS", seconds)

    wait(0.2)
    return wait


@pytest.fixture
def search(server, driver, tmp_path):
    server.asked.clear()

    def search(path, site=SITE, forbidden=(), journal=None, **given):
        access = OneBrowser(driver, tmp_path, forbidden, journal)
        return SiteSource(site, **given).search(
            Query("hat", "hat", f"http://shop.test/{path}"), access
        )

    return search


def visited(server):
    return [path[3:] for path in server.asked if path.startswith("/p/")]


def test_the_image_of_a_product_page_is_the_original(search, wait):
    wait(30)
    found = list(search("photo,zoom;meta,wordy;late"))
    names = ["photo", "zoom", "meta", "wordy", "late"]
    assert [candidate.image_url for candidate in found] == [
        f"http://shop.test/large/{name}.png" for name in names
    ]
    assert [candidate.thumbnail_url for candidate in found] == [
        f"http://shop.test/small/{name}.png" for name in names
    ]
    assert [(candidate.rank, candidate.route) for candidate in found] == [
        (rank, "detail") for rank in range(5)
    ]
    assert found[0].page_url == "http://shop.test/p/photo"


def test_a_product_page_without_image_keeps_the_thumbnail(search):
    reasons = {
        "bare": "not shown",
        "sold": "not shown",
        "gone": "status 404",
        "broken": "status 500",
        "secret": "robots",
        "linkless": "no link",
        "foreign": "another host",
    }
    found = list(search(",".join([*reasons, "photo"]), forbidden=["p/secret"]))
    assert [candidate.route for candidate in found] == [
        *(f"no detail ({why})" for why in reasons.values()),
        "detail",
    ]
    for candidate, name in zip(found[:-1], reasons, strict=True):
        assert (candidate.image_url, candidate.thumbnail_url) == (
            None,
            f"http://shop.test/small/{name}.png",
        )


def test_checks_redirects_of_product_pages(search, wait):
    """The last page shows its image after a delay."""
    wait(30)
    found = list(search("photo,hop,leap", forbidden=["/private/"]))
    assert [candidate.route for candidate in found] == [
        "detail",
        "no detail (another host)",
        "no detail (robots)",
    ]
    assert [candidate.image_url for candidate in found[1:]] == [None, None]
    (within,) = search("leap")
    assert within.image_url == "http://shop.test/large/late.png"


def test_texts_of_a_product_page_count_only_without_image(search, wait):
    wait(30)
    (found,) = search("slow-robot")
    assert found.image_url == "http://shop.test/large/slow-robot.png"
    wait(0.2)
    with pytest.raises(SearchError, match="shows a CAPTCHA"):
        list(search("robot"))


@pytest.mark.parametrize(("name", "failure"), [("asking", "captcha"), ("refusing", "blocked")])
def test_a_blocking_product_page_ends_the_search(search, server, name, failure):
    found = search(f"photo,{name},zoom")
    assert next(found).route == "detail"
    with pytest.raises(SearchError, match=f"shop.test/p/{name}") as error:
        next(found)
    assert error.value.failure == failure
    assert visited(server) == ["photo", name]


def test_reads_an_endless_page_as_far_as_needed(search, server):
    """Reading continues if asked for more, since images may be duplicates or refused."""
    found = search("feed", wanted=4)
    assert [next(found).page_url for _ in range(4)] == [
        f"http://shop.test/p/photo-{number}" for number in range(4)
    ]
    assert server.asked.count("/feed") == 1
    assert [next(found).page_url for _ in range(2)] == [
        f"http://shop.test/p/photo-{number}" for number in (4, 5)
    ]
    assert len(visited(server)) == 6


def test_product_pages_are_visited_once(search, server, tmp_path):
    """After a block, the search resumes; transient failures and changed selectors cause new visits."""
    params = ScrapeParams(snapshot="2026-11-20")
    with Journal(tmp_path / "journal", params) as journal:
        with pytest.raises(SearchError):
            list(search("photo,bare,gone,broken,refusing,zoom", journal=journal))
        server.asked.clear()
        found = list(search("photo,bare,gone,broken,zoom", journal=journal))
        assert visited(server) == ["broken", "zoom"]
        assert [(candidate.image_url, candidate.route) for candidate in found] == [
            ("http://shop.test/large/photo.png", "detail"),
            (None, "no detail (not shown)"),
            (None, "no detail (status 404)"),
            (None, "no detail (status 500)"),
            ("http://shop.test/large/zoom.png", "detail"),
        ]
        server.asked.clear()
        other = SITE.model_copy(
            update={"detail": SITE.detail.model_copy(update={"image": ("#photo",)})}
        )
        assert [candidate.image_url for candidate in search("zoom", other, journal=journal)] == [
            "http://shop.test/medium.png"
        ]
        assert visited(server) == ["zoom"]


def test_stops_after_ten_pages_without_image(search, server, wait):
    wait(0)
    found = list(search(",".join(f"bare-{number}" for number in range(12))))
    assert len(visited(server)) == 10
    assert [candidate.route for candidate in found[9:]] == [
        "no detail (not shown)",
        *["no detail (not visited)"] * 2,
    ]


def test_without_detail_keeps_the_dimensions_of_the_results_page(search):
    plain = SITE.model_copy(update={"detail": None})
    (candidate,) = search("photo", plain)
    assert (candidate.image_url, candidate.thumbnail_url) == (
        "http://shop.test/small/photo.png",
    ) * 2
    assert (candidate.width, candidate.height) == (640, 100)
    (candidate,) = search("linkless", plain)
    assert candidate.thumbnail_url is None


def test_probe_visits_a_few_product_pages(driver, server, tmp_path):
    report = probe(
        SiteSource(SITE),
        "photo,bare,zoom,meta",
        OneBrowser(driver, tmp_path / "other"),
        tmp_path / "probe",
    )
    assert [finding.count for finding in report.findings if finding.selector == ".card"] == [4]
    assert visited(server)[-3:] == ["photo", "bare", "zoom"]
    lines = list(report.lines())
    assert "3 results read, 2 with the URL of an original (detail 2)" in lines
    assert "  no detail (not shown): http://shop.test/p/bare" in lines
