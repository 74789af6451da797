import asyncio
import time

import pytest
from aiohttp import web

import pixmill.fetch
from pixmill.fetch import Fetched, Fetcher


def failing(times, status=503, headers=None):
    """Answer with a failure so many times, then with a picture."""
    left = times

    async def answer(request):
        nonlocal left
        left -= 1
        return web.Response(status=status, headers=headers) if left >= 0 else web.Response(body=b"picture")

    return answer


def test_the_public_surface():
    assert pixmill.fetch.__all__ == ["USER_AGENT", "Fetched", "Fetcher", "Limits", "Refused"]


def test_a_picture(site, fetch):
    site.answers["/x.png"] = b"picture"
    assert fetch("/x.png") == Fetched(b"picture", "http://pictures.test/x.png")


def test_inlined_pictures_need_no_network(fetch):
    assert fetch("data:,picture", "DATA:;base64,cGljdHVyZQ==") == [Fetched(b"picture", "data:")] * 2


def test_a_text_that_is_no_address(fetch):
    assert fetch("not an address").reason == "bad_url"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(site, fetch, status):
    site.answers["/x"] = failing(1, status)
    assert fetch("/x").content == b"picture"


def test_attempts_are_bounded(site, fetch):
    site.answers["/x"] = failing(10)
    assert fetch("/x", attempts=2).reason == "http_503"
    assert site.paths().count("/x") == 2


def test_a_server_that_asks_for_a_pause_gets_it(site, fetch):
    site.answers["/x"] = failing(1, headers={"Retry-After": "1"})
    start = time.monotonic()
    assert fetch("/x").content == b"picture"
    assert time.monotonic() - start >= 1.0


def test_a_server_that_asks_for_an_hour_is_left_alone(site, fetch):
    site.answers["/x"] = failing(1, headers={"Retry-After": "3600"})
    outcome = fetch("/x")
    assert (outcome.reason, outcome.retry_after) == ("http_503", 3600.0)
    assert site.paths().count("/x") == 1


def test_the_time_bounds_all_attempts_together(site, fetch):
    site.answers["/x"] = failing(10)
    start = time.monotonic()
    assert fetch("/x", attempts=100, timeout=1.0).reason == "http_503"
    assert time.monotonic() - start < 3.0


def test_a_silent_server_runs_out_of_time(site, fetch):
    async def silent(request):
        await asyncio.sleep(30)
        return web.Response()

    site.answers["/x"] = silent
    assert fetch("/x", timeout=0.4).reason == "timeout"


def test_fetches_at_the_same_time_are_bounded(site, fetch):
    running, most = 0, 0

    async def slow(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return web.Response(body=b"picture")

    site.answers |= {f"/{n}": slow for n in range(12)}
    assert all(isinstance(outcome, Fetched) for outcome in fetch(*(f"/{n}" for n in range(12)), per_host=3, timeout=5))
    assert most == 3


def test_waiting_for_a_free_connection_costs_no_time_of_one_s_own(site, fetch):
    async def slow(request):
        await asyncio.sleep(0.2)
        return web.Response(body=b"picture")

    site.answers |= {f"/{n}": slow for n in range(6)}
    outcomes = fetch(*(f"/{n}" for n in range(6)), connections=1, timeout=0.6)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)


def test_pages_are_visited_where_robots_txt_permits(site):
    site.answers["/robots.txt"] = b"User-agent: *\nDisallow: /search"

    async def ask():
        async with Fetcher(hosts={"pictures.test": site.port}) as fetcher:
            urls = ("http://pictures.test/", "http://pictures.test/search?q=coat", "file:///etc/passwd")
            return [await fetcher.permitted(url) for url in urls]

    home, search, passwd = asyncio.run(ask())
    assert home is None
    assert (search.reason, passwd.reason) == ("robots", "bad_url")
