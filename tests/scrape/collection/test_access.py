import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.fetch.fetcher import Fetcher
from pixmill.scrape.candidate import Query
from pixmill.scrape.collection.access import NetworkAccess, StoppedError, open_access
from tests.scrape.invented import HOST, url_of

QUERY = Query("hat", "hat", url_of("page"))


@pytest.fixture
def within(web, tmp_path):
    """Run a function in a thread with access to the fake host; return its result."""

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


def test_robots_txt_applies_to_pages_only(within, web):
    web.answers |= {"/api": b"{}", "/robots.txt": b"User-agent: *\nDisallow: /"}
    assert within(lambda access: access.ask(url_of("api"))).content == b"{}"
    assert within(lambda access: access.find_refusal(url_of("page"))).reason == "robots"
    assert web.fetched() == [url_of("api")]


def test_names_a_proxy_that_is_not_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HTTPS_PROXY", "http://name:password@proxy.test:3128")

    async def run(served):
        async with open_access(
            ScrapeParams(snapshot="2026-11-20"), served=served, network=None, scratch=tmp_path
        ):
            pass

    asyncio.run(run({"shop.pixmill.test:80": 1}))
    assert capsys.readouterr().err == ""
    asyncio.run(run({}))
    printed = capsys.readouterr().err
    assert "HTTPS_PROXY" in printed
    assert "password" not in printed


def test_a_stopped_run_allows_no_requests(within, web):
    def work(access):
        access.check()
        access.stop()
        for call in (
            access.check,
            lambda: access.ask(url_of("api")),
            lambda: access.find_refusal(url_of("page")),
        ):
            with pytest.raises(StoppedError):
                call()

    within(work)
    assert web.fetched() == []


def test_stop_interrupts_waiting_searches(within):
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
def test_browser_saves_pages_and_ends_with_the_run(within, web, tmp_path):
    web.answers["/page"] = (b"<title>Hats</title>", {"Content-Type": "text/html"})

    def work(access):
        with pytest.raises(StoppedError), access.browser() as driver:
            driver.get(url_of("page"))
            assert driver.title == "Hats"
            folder = access.save_failure_page(driver, QUERY)
            assert folder.startswith(".pixmill/scrape/evidence/")
            assert access.save_failure_page(driver, QUERY) == folder
            access.stop()
            driver.get(url_of("page"))
        return folder

    folder = within(work)
    assert "Hats" in (tmp_path / folder / "page.html").read_text()
    assert web.fetched().count(url_of("page")) == 1
    assert list((tmp_path / ".pixmill" / "scrape" / "browser").glob("profile-*")) == []


@pytest.fixture
def go_out(web, tmp_path):
    """Run a coroutine with a fetcher configured by params."""

    def go_out(work, *, served=None, network=None, **params):
        params = ScrapeParams(**{"snapshot": "2026-11-20"} | params)

        async def within():
            async with open_access(
                params, served=served or {}, network=network, scratch=tmp_path
            ) as (fetcher, _):
                return await work(fetcher)

        return asyncio.run(within())

    return go_out


def test_refuses_local_hosts(go_out, web):
    outcome = go_out(lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"))
    assert outcome.reason == "private_address"
    assert web.requests == []


def test_allow_hosts(go_out, web, hats):
    allowed = (f"localhost:{web.port}",)
    assert go_out(
        lambda fetcher: fetcher.fetch(f"http://localhost:{web.port}/0"), allow_hosts=allowed
    ).content


def test_served_hosts_are_reachable(go_out, web, hats):
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), served={f"{HOST}:80": web.port}).content
    assert go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network).content


def test_limits_and_politeness_come_from_params(go_out, web, hats):
    def reason(**params):
        return go_out(lambda fetcher: fetcher.fetch(hats[0]), network=web.network, **params).reason

    assert reason(max_bytes=10) == "too_large"
    assert reason(opt_out=(HOST,)) == "opted_out"
    web.answers["/robots.txt"] = b"User-agent: *\nDisallow: /"
    assert reason() == "robots"
    assert go_out(
        lambda fetcher: fetcher.fetch(hats[0]),
        network=web.network,
        robots_exceptions=(HOST,),
        contact="me@x.test",
    ).content
    assert "(+me@x.test)" in web.requests[-1].headers["User-Agent"]
