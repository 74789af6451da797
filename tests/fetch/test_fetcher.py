import time

import pytest
from aiohttp import web

from pixmill.fetch import Fetched, Manners, Unchanged, Validators


def test_a_picture(site, fetch):
    site.answers["/x.png"] = b"picture"
    assert fetch("/x.png") == Fetched(b"picture", "http://pictures.test/x.png")


def test_inlined_pictures_need_no_network(fetch):
    assert fetch("data:,picture", "DATA:;base64,cGljdHVyZQ==") == [Fetched(b"picture", "data:")] * 2


def test_a_text_that_is_no_address(fetch):
    assert fetch("not an address").reason == "bad_url"


def test_pages_are_visited_where_robots_txt_permits(site, use):
    site.answers["/robots.txt"] = b"User-agent: *\nDisallow: /search"
    urls = ("http://pictures.test/", "http://pictures.test/search?q=coat", "file:///etc/passwd")

    async def ask(fetcher):
        return [await fetcher.permitted(url) for url in urls]

    home, search, passwd = use(ask)
    assert home is None
    assert (search.reason, passwd.reason) == ("robots", "bad_url")
    responsible = Manners(robots_exceptions=frozenset({"pictures.test"}))
    assert use(ask, manners=responsible)[:2] == [None, None]
    opted_out = Manners(opt_out=frozenset({"pictures.test"}))
    assert [refused.reason for refused in use(ask, manners=opted_out)] == ["opted_out", "opted_out", "bad_url"]


def test_pages_keep_the_distance_that_robots_txt_asks_for(site, use):
    site.answers["/robots.txt"] = b"User-agent: *\nCrawl-delay: 0.2"

    async def ask(fetcher):
        began = time.monotonic()
        for _ in range(3):
            assert await fetcher.permitted("http://pictures.test/search?q=coat") is None
        return time.monotonic() - began

    assert use(ask) >= 0.4


def test_a_page_of_a_host_that_is_left_alone_is_not_visited(site, use):
    site.answers["/coat.png"] = (b"", {"Retry-After": "3600"}, 429)

    async def ask(fetcher):
        await fetcher.fetch("http://pictures.test/coat.png")
        return await fetcher.permitted("http://pictures.test/")

    assert use(ask).reason == "busy"


API = "http://pictures.test/v1/images/?q=coat"


def test_an_api_is_asked_without_robots_txt(site, use):
    site.answers |= {"/robots.txt": b"User-agent: *\nDisallow: /", "/v1/images/": (b"{}", {"X-Robots-Tag": "noindex"})}
    assert use(lambda fetcher: fetcher.ask(API)) == Fetched(b"{}", API)
    assert site.paths() == ["/v1/images/"]
    assert site.requests[0].headers["Accept"] == "application/json"


def test_all_else_holds_for_an_api(site, use):
    site.answers["/v1/images/"] = bytes(10_000_001)
    assert use(lambda fetcher: fetcher.ask(API)).reason == "too_large"
    opted_out = Manners(opt_out=frozenset({"pictures.test"}))
    assert use(lambda fetcher: fetcher.ask(API), manners=opted_out).reason == "opted_out"
    assert use(lambda fetcher: fetcher.ask(f"http://127.0.0.1:{site.port}/")).reason == "private_address"
    assert use(lambda fetcher: fetcher.ask("ftp://pictures.test/")).reason == "bad_url"


def test_a_host_is_one_for_pictures_and_its_api(site, use):
    site.answers |= {"/v1/images/": (b"", {"Retry-After": "3600"}, 429), "/x": b"picture"}

    async def both(fetcher):
        return await fetcher.ask(API), await fetcher.fetch("http://pictures.test/x")

    api, picture = use(both)
    assert (api.reason, picture.reason) == ("http_429", "busy")


def test_a_host_that_opted_out_is_not_even_asked_for_its_rules(site, fetch):
    assert fetch("/x", manners=Manners(opt_out=frozenset({"pictures.test"}))).reason == "opted_out"
    assert site.requests == []


def test_inlined_pictures_have_no_versions(use):
    assert use(lambda fetcher: fetcher.fetch("data:,x", Validators('"1"'))) == Fetched(b"x", "data:")


def test_a_known_picture_behind_a_redirect(site, use):
    site.answers |= {"/old": (b"", {"Location": "/new"}, 301), "/new": (b"", {}, 304)}
    known = Validators('"1"', url="http://pictures.test/new")
    assert use(lambda fetcher: fetcher.fetch("http://pictures.test/old", known)) == Unchanged()


@pytest.mark.parametrize("known_at", [None, "http://pictures.test/before"])
def test_a_version_says_nothing_of_where_a_redirect_leads_now(site, use, known_at):
    """Many servers count versions from 1, and an older file is "not modified since" a newer one."""

    async def new(request):
        return web.Response(status=304) if "If-None-Match" in request.headers else web.Response(body=b"new")

    site.answers |= {"/old": (b"", {"Location": "/new"}, 302), "/new": new}
    known = Validators('"1"', url=known_at)
    fetched = use(lambda fetcher: fetcher.fetch("http://pictures.test/old", known))
    assert fetched == Fetched(b"new", "http://pictures.test/new")


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_many_pictures_of_one_host(site, fetch, rate):
    site.answers |= {f"/{n}": b"picture" for n in range(200)}
    outcomes = fetch(*(f"/{n}" for n in range(200)), manners=Manners(rate=rate))
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
