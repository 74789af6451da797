import asyncio
import threading
import time
from concurrent.futures import CancelledError

import pytest

from pixmill.browser import find_browser
from pixmill.errors import BrowserError, BrowserLost
from pixmill.fetch import Fetcher
from pixmill.scrape.access import NOWHERE, NetworkAccess, Stopped
from pixmill.scrape.candidate import Query
from tests.scrape.invented import url_of

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
    assert within(lambda access: access.permitted(url_of("page"))).reason == "robots"
    assert web.fetched() == [url_of("api")]


def test_a_run_that_ends_gives_no_way_out_any_more(within, web):
    def work(access):
        access.check()
        access.stop()
        for way in (access.check, lambda: access.ask(url_of("api")), lambda: access.permitted(url_of("page"))):
            with pytest.raises(Stopped):
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
        with pytest.raises(Stopped):
            access.result(begun)
        assert time.monotonic() - began < 10
        with pytest.raises(CancelledError):
            begun.result(10)

    within(work)


def test_what_goes_wrong_on_the_loop_is_told_to_who_waits(within):
    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        within(lambda access: access.wait_for(broken()))


@pytest.mark.browser
def test_a_browser_in_the_cage_leaves_evidence_and_ends_with_the_run(within, web, tmp_path):
    web.answers["/page"] = (b"<title>Hats</title>", {"Content-Type": "text/html"})

    def work(access):
        with pytest.raises(Stopped), access.browser() as driver:
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


@pytest.mark.browser
def test_a_browser_that_does_not_start_after_others_did_is_a_lost_one(within, tmp_path, monkeypatch):
    driver, starts = tmp_path / "driver", tmp_path / "starts"
    driver.write_text(
        f"""#!/bin/sh
        [ "$1" = --version ] || echo >> '{starts}'
        [ "$1" = --version ] || [ "$(wc -l < '{starts}')" = 1 ] || exit 1
        exec '{find_browser().driver}' "$@"
        """
    )
    driver.chmod(0o755)
    monkeypatch.setenv("PIXMILL_DRIVER", str(driver))

    def opened(access):
        with access.browser() as driver:
            return driver.session_id

    def work(access):
        assert opened(access)
        with pytest.raises(BrowserLost, match="did not start"):
            opened(access)

    within(work)
    with pytest.raises(BrowserError, match="did not start") as raised:
        within(opened)
    assert not isinstance(raised.value, BrowserLost)


def test_what_lies_on_this_machine_needs_no_way_out():
    for way in (
        lambda: NOWHERE.permitted(url_of("page")),
        lambda: NOWHERE.ask(url_of("api")),
        lambda: NOWHERE.browser(),
        lambda: NOWHERE.witness(None, QUERY),
    ):
        with pytest.raises(ValueError, match="on this machine"):
            way()


def test_what_is_not_public_is_refused(within):
    assert within(lambda access: access.ask("http://127.0.0.1/")).reason == "private_address"
