import asyncio
import socket
import threading
import time
from concurrent.futures import CancelledError

import pytest

from pixmill.core.errors import BrowserError
from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Query
from pixmill.scrape.collection.access import NetworkAccess, StoppedError, open_access
from pixmill.web.fetch import Fetcher
from tests.scrape.invented import HOST, url_of

QUERY = Query("hat", "hat", url_of("page"))


@pytest.fixture
def within(web, tmp_path):
    """Give some work, in a thread of its own, the ways out to the invented host; return what it comes to."""

    def within(work):
        async def run():
            async with Fetcher(network=web.network) as fetcher:
                access = NetworkAccess(fetcher, web.network, tmp_path / ".pixmill" / "scrape")
                try:
                    return await asyncio.to_thread(work, access)
                finally:
                    access.close()

        return asyncio.run(run())

    return within


def test_an_api_is_asked_and_a_page_is_only_permitted(within, web):
    web.answers |= {"/api": b"{}", "/robots.txt": b"User-agent: *\nDisallow: /"}
    assert within(lambda access: access.ask(url_of("api"))).content == b"{}"
    assert within(lambda access: access.find_refusal(url_of("page"))).reason == "robots"
    assert web.fetched() == [url_of("api")]


def test_a_run_that_ends_gives_no_way_out_any_more(within, web):
    def work(access):
        access.check()
        access.stop()
        for way in (access.check, lambda: access.ask(url_of("api")), lambda: access.find_refusal(url_of("page"))):
            with pytest.raises(StoppedError):
                way()

    within(work)
    assert web.fetched() == []


def test_who_waits_when_the_run_ends_waits_no_longer(within):
    async def never():
        await asyncio.sleep(3600)

    def work(access):
        begun = access.begin(never())
        threading.Timer(0.2, access.stop).start()
        began = time.monotonic()
        with pytest.raises(StoppedError):
            access.result(begun)
        assert time.monotonic() - began < 10
        with pytest.raises(CancelledError):
            begun.result(60)

    within(work)


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_in_the_cage_leaves_evidence_and_ends_with_the_run(within, web, tmp_path):
    web.answers["/page"] = (b"<title>Hats</title>", {"Content-Type": "text/html"})

    def work(access):
        with pytest.raises(StoppedError), access.browser() as driver:
            driver.get(url_of("page"))
            assert driver.title == "Hats"
            folder = access.witness(driver, QUERY)
            assert folder.startswith(".pixmill/scrape/evidence/")
            assert access.witness(driver, QUERY) == folder
            access.stop()
            driver.get(url_of("page"))
        return folder

    folder = within(work)
    assert "Hats" in (tmp_path / folder / "page.html").read_text()
    assert web.fetched().count(url_of("page")) == 1
    assert list((tmp_path / ".pixmill" / "scrape" / "browser").glob("profile-*")) == []


def test_what_is_not_public_is_refused(within):
    assert within(lambda access: access.ask("http://127.0.0.1/")).reason == "private_address"


@pytest.fixture
def go_out(web, tmp_path):
    """Do something with the fetcher that some params give."""

    def go_out(work, *, served=None, network=None, **params):
        params = ScrapeParams(**{"snapshot": "2026-11-20"} | params)

        async def within():
            async with open_access(params, served=served or {}, network=network, scratch=tmp_path) as (fetcher, _):
                return await work(fetcher)

        return asyncio.run(within())

    return go_out


def test_without_permission_nothing_on_this_machine_is_reached(go_out, web):
    outcome = go_out(lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"))
    assert outcome.reason == "private_address"
    assert web.requests == []


def test_who_is_allowed_is_reached(go_out, web, hats):
    allowed = (f"localhost:{web.port}",)
    assert go_out(lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"), allow_hosts=allowed).content


def test_what_sources_serve_is_reached_by_its_name(go_out, web, hats):
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), served={f"{HOST}:80": web.port}).content
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network).content


def test_limits_and_manners_are_those_of_the_params(go_out, web, hats):
    def reason(**params):
        return go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network, **params).reason

    assert reason(max_bytes=10) == "too_large"
    assert reason(opt_out=(HOST,)) == "opted_out"
    web.answers["/robots.txt"] = b"User-agent: *\nDisallow: /"
    assert reason() == "robots"
    assert go_out(
        lambda fetcher: fetcher.fetch(hats[0]), network=web.network, robots_exceptions=(HOST,), contact="me@x.test"
    ).content
    assert "(+me@x.test)" in web.requests[-1].headers["User-Agent"]


def test_a_port_for_the_proxy_that_is_taken_is_named(within, monkeypatch):
    def work(access):
        with pytest.raises(BrowserError, match=r"port \d+ of 127\.0\.0\.1, which PIXMILL_WEBDRIVER_URL names"):
            access.browser().__enter__()

    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", f"http://127.0.0.1:9?proxy_port={other.getsockname()[1]}")
        within(work)
