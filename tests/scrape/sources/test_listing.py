"""Pages of results as they are met on the web, read by a real browser."""

import contextlib
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from pixmill.browser import find_browser, open_browser
from pixmill.errors import BrowserError, ScrapeError
from pixmill.scrape.sources.listing import Listing, Selectors

pytestmark = pytest.mark.browser

SELECTORS = Selectors(
    card=".card",
    key="data-id",
    picture="img",
    link="a",
    title="h3",
    price=".price",
    consent="#consent",
    more="#more",
    end="[data-end]",
    nothing="[data-nothing]",
)
QUICK = Listing(SELECTORS, patience=1.2)
ENDLESS = replace(QUICK, selectors=replace(SELECTORS, end=None))

CARD = """
const body = document.body;
const card = (id, html = `<img data-src="/media/${id}.png">`) =>
  body.insertAdjacentHTML("beforeend", `<div class="card" data-id="${id}" style="height: 400px">${html}</div>`);
const batch = (from, count) => { for (let id = from; id < from + count; id++) card(id); };
const end = () => body.insertAdjacentHTML("beforeend", "<p data-end>That is all.</p>");
const atBottom = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 50;
"""

PAGES = {
    "short": "batch(0, 3); end();",
    "scrolling": """
        let count = 0;
        const load = () => { batch(count, 5); count += 5; if (count === 30) end(); };
        load();
        onscroll = () => { if (count < 30 && atBottom()) load(); };""",
    "slow": """
        let busy = false, count = 5;
        batch(0, 5);
        onscroll = () => {
          if (busy || count === 20 || !atBottom()) return;
          busy = true;
          setTimeout(() => { batch(count, 5); count += 5; busy = false; if (count === 20) end(); }, 400);
        };""",
    "button": """
        batch(0, 3);
        body.insertAdjacentHTML("beforeend", "<button id=more hidden>More</button><button id=consent>OK</button>");
        consent.onclick = () => { consent.remove(); more.hidden = false; };
        more.onclick = () => { more.remove(); batch(3, 3); end(); };""",
    "late": """
        for (let id = 0; id < 12; id++) card(id, `<img loading="lazy">`);
        card("never", "<p>no picture here</p>");
        const seen = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
          if (isIntersecting) target.src = `/media/${target.parentElement.dataset.id}.png`;
        }));
        document.querySelectorAll("img").forEach((img) => seen.observe(img));
        end();""",
    "tardy": """
        for (let id = 0; id < 3; id++) {
          card(id, "<img>");
          setTimeout(() => { document.images[id].src = `/media/${id}.png`; }, 700 * (id + 1));
        }
        end();""",
    "unloaded": """
        card(0, '<img loading="lazy" style="display: none" src="/media/0.png">');
        end();""",
    "words": """
        card("w", '<a href="/p/1"><img data-src="//other.test/x.png"></a><h3> A \\n hat</h3><p class="price">€ 5</p>');
        card("inlined", '<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">');
        card("odd", '<img data-src="http://[">');
        end();""",
    "repeating": """
        batch(0, 5);
        onscroll = () => { if (atBottom()) batch(0, 5); };""",
    "stuck": "batch(0, 5);",
    "lost": """
        let heard = 0;
        batch(0, 2);
        onscroll = () => { if (atBottom() && ++heard === 3) { batch(2, 2); end(); } };""",
    "nothing": "body.insertAdjacentHTML('beforeend', '<p data-nothing>No results.</p>');",
    "blank": "",
    "changed": "body.innerHTML = '<div class=renamed><img src=/x.png></div>'.repeat(20);",
    "insistent": "body.innerHTML = '<button id=more>More</button>';",
    "unending": """
        let count = 0;
        const load = () => { batch(count, 20); count += 20; };
        load();
        onscroll = load;""",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/")
        if name == "hanging":
            self.server.closing.wait(30)
            return
        status = int(name) if name.isdecimal() else 200 if name in PAGES else 404
        page = f"<!doctype html><body><script>{CARD}{PAGES.get(name, '')}</script>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with ExitStack() as opened:
        server = opened.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        server.closing = threading.Event()
        opened.callback(server.shutdown)
        opened.callback(server.closing.set)
        yield opened.enter_context(
            open_browser(
                find_browser(),
                resolve={"pages.test": f"127.0.0.1:{server.server_address[1]}"},
                profile=tmp_path_factory.mktemp("profile"),
                page_load_timeout=3.0,
            )
        )


@pytest.fixture
def read(driver):
    def read(name, listing=QUICK):
        return list(listing.read(driver, f"http://pages.test/{name}"))

    return read


def pictures(cards):
    return [card.picture for card in cards]


def media(count, start=0):
    return [f"http://pages.test/media/{number}.png" for number in range(start, start + count)]


@pytest.mark.parametrize(("name", "count"), [("short", 3), ("scrolling", 30), ("slow", 20), ("button", 6), ("lost", 4)])
def test_a_page_is_read_to_its_end(read, name, count):
    assert pictures(read(name)) == media(count)


def test_pictures_that_come_late_keep_their_place(read):
    assert pictures(read("late")) == [*media(12), None]


def test_pictures_that_come_after_the_end_are_waited_for(read):
    assert pictures(read("tardy")) == media(3)


def test_an_address_is_known_before_the_browser_loads_it(read):
    assert pictures(read("unloaded")) == media(1)


def test_what_a_card_says(read):
    card, inlined, odd = read("words")
    assert (card.picture, card.page) == ("http://other.test/x.png", "http://pages.test/p/1")
    assert (card.title, card.price) == ("A hat", "€ 5")
    assert inlined.picture.startswith("data:image/gif;base64,")
    assert (inlined.page, inlined.title, inlined.price) == (None, None, None)
    assert odd.picture is None


@pytest.mark.parametrize("name", ["repeating", "stuck"])
def test_without_a_marker_the_end_is_where_nothing_new_comes(read, name):
    assert pictures(read(name, ENDLESS)) == media(5)


@pytest.mark.parametrize("name", ["repeating", "stuck"])
def test_with_a_marker_a_page_that_loses_its_way_is_an_error(driver, name):
    cards = QUICK.read(driver, f"http://pages.test/{name}")
    with pytest.raises(
        ScrapeError, match=r"stopped after 5 results: neither more of them nor their end \('\[data-end\]'"
    ):
        pictures(cards)


def test_a_page_that_has_nothing_is_told_from_one_that_shows_nothing(read):
    with pytest.raises(ScrapeError, match=r"http://pages\.test/nothing says that it has no results"):
        read("nothing")


@pytest.mark.parametrize("name", ["blank", "changed", "insistent"])
def test_a_page_that_delivers_nothing_is_named(read, name):
    start = time.monotonic()
    with pytest.raises(ScrapeError, match=rf"http://pages\.test/{name} shows no result"):
        read(name)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_a_refusal_is_named(read, status):
    with pytest.raises(ScrapeError, match=f"answered with status {status}"):
        read(str(status))


def test_a_page_without_end_ends(read):
    assert len(read("unending", replace(ENDLESS, most=200))) >= 200
    with pytest.raises(ScrapeError, match="did not come to its end within 1 s"):
        read("unending", replace(ENDLESS, longest=1.0))


def test_a_page_that_does_not_load_is_named(read):
    with pytest.raises(ScrapeError, match=r"http://pages\.test/hanging did not load in time"):
        read("hanging")


def test_a_host_that_is_not_there(driver):
    with pytest.raises(ScrapeError, match=r"http://elsewhere\.test/ cannot be reached: net::ERR_NAME_NOT_RESOLVED"):
        list(QUICK.read(driver, "http://elsewhere.test/"))


@pytest.mark.parametrize("name", ["chromedriver", "chromium"])
def test_a_browser_or_a_driver_that_dies_is_named(tmp_path, name):
    others = psutil.Process().children(recursive=True)
    with open_browser(find_browser(), profile=tmp_path) as driver:
        driver.get("about:blank")
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a child of one that was killed just before
                if process not in others and name in process.name():
                    process.kill()
        with pytest.raises(BrowserError, match=r"the browser broke down at http://pages\.test/short: .+"):
            list(QUICK.read(driver, "http://pages.test/short"))
