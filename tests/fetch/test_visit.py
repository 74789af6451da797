import asyncio
import time

import pytest
from aiohttp import web

from pixmill.fetch import Fetched, Manners, Network
from pixmill.fetch.breaker import PATIENCE


def failing(times, status=503, headers=None):
    """Answer with a failure so many times, then with a picture."""
    left = times

    async def answer(request):
        nonlocal left
        left -= 1
        return web.Response(status=status, headers=headers) if left >= 0 else web.Response(body=b"picture")

    return answer


def redirect(location, status=302):
    return b"", {"Location": location}, status


def test_a_redirect_is_followed(site, fetch):
    site.answers |= {"/old": redirect("new?x=1#part"), "/new": b"picture"}
    outcome = fetch("/old")
    assert outcome.content == b"picture"
    assert outcome.url == "http://pictures.test/new?x=1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(site, fetch, status):
    site.answers |= {"/old": redirect("/new", status), "/new": b"picture"}
    assert fetch("/old").content == b"picture"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "private_address"),
        ("http://127。0。0。1/", "private_address"),
        ("http://localhost/", "private_address"),
        ("http://[::ffff:10.0.0.1]/", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("//0x7f.1/", "private_address"),
        ("https://pictures.test/", "private_address"),
        ("http://[64:ff9b::7f00:1]/", "private_address"),
        ("http://[2002:7f00:1::]/", "private_address"),
        ("http://2130706433/", "bad_url"),
        ("file:///etc/passwd", "bad_redirect"),
        ("javascript:alert(1)", "bad_redirect"),
        ("ftp://pictures.test/x", "bad_redirect"),
        ("http://[::1", "bad_redirect"),
        ("", "bad_redirect"),
    ],
)
def test_a_redirect_is_checked_like_any_address(site, fetch, location, reason):
    site.answers["/old"] = redirect(location)
    assert fetch("/old").reason == reason
    assert site.paths() == ["/robots.txt", "/old"]


def test_redirects_end(site, fetch):
    site.answers["/round"] = redirect("/round")
    assert fetch("/round").reason == "too_many_redirects"
    assert site.paths().count("/round") == 6


def test_redirects_in_a_row_are_followed_up_to_the_limit(site, fetch):
    site.answers |= {f"/{step}": redirect(f"/{step + 1}") for step in range(5)} | {"/5": b"at last"}
    assert fetch("/0").content == b"at last"
    assert fetch("/0", redirects=4).reason == "too_many_redirects"


def test_a_hundred_redirects_are_not_followed(site, fetch):
    site.answers |= {f"/{step}": redirect(f"/{step + 1}") for step in range(100)} | {"/100": b"never"}
    assert fetch("/0").reason == "too_many_redirects"
    assert len(site.paths()) == 1 + 6


def test_credentials_are_not_sent_along(site, fetch):
    site.answers |= {"/x": redirect("http://user:secret@pictures.test/y"), "/y": b"picture"}
    assert fetch("http://name:secret@pictures.test/x") == Fetched(b"picture", "http://pictures.test/y")
    assert all("Authorization" not in request.headers for request in site.requests)


def test_a_redirect_from_https_to_http_is_refused(site, secure_site, authority, fetch):
    secure_site.answers["/x"] = redirect("http://pictures.test/x")
    site.answers["/x"] = b"in the open"
    network = Network(
        served={"pictures.test:443": secure_site.port, "pictures.test:80": site.port}, authority=authority.pem
    )
    outcome = fetch("https://pictures.test/x", network=network)
    assert (outcome.reason, outcome.detail) == ("bad_redirect", "from https to http")
    assert site.requests == []


def test_a_redirect_to_a_host_that_opted_out_is_not_followed(site, fetch):
    site.answers["/x"] = redirect("http://www.museum.test/x")
    outcome = fetch(
        "/x", network=site.network("www.museum.test:80"), manners=Manners(opt_out=frozenset({"museum.test"}))
    )
    assert outcome.reason == "opted_out"
    assert site.paths() == ["/robots.txt", "/x"]


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


def test_the_time_bounds_all_pauses_together(site, fetch):
    site.answers["/x"] = failing(10)
    assert fetch("/x", attempts=100, timeout=1.4).reason == "http_503"
    assert site.paths().count("/x") == 2  # the second pause would be one of 1 s


def test_the_time_bounds_all_attempts_together(site, fetch, hasty):
    async def slow(request):
        await asyncio.sleep(0.4)
        return web.Response(status=500)

    site.answers["/x"] = slow
    assert fetch("/x", attempts=100, timeout=2.0).reason == "http_500"
    assert 2 <= site.paths().count("/x") <= 5


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
        await asyncio.sleep(0.3)
        return web.Response(body=b"picture")

    site.answers |= {f"/{n}": slow for n in range(8)}
    outcomes = fetch(*(f"/{n}" for n in range(8)), connections=1, timeout=1.8)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)


def test_a_pause_that_one_request_learns_of_is_kept_by_all(site, fetch):
    began = []

    async def busy(request):
        began.append(time.monotonic())
        first = len(began) == 1
        return web.Response(status=429, headers={"Retry-After": "1"}) if first else web.Response(body=b"picture")

    site.answers |= {f"/{n}": busy for n in range(4)}
    outcomes = fetch(*(f"/{n}" for n in range(4)), per_host=1)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert min(began[1:]) - began[0] >= 1.0


def test_nobody_asks_a_host_that_wants_an_hour(site, fetch):
    site.answers |= {f"/{n}": (b"", {"Retry-After": "3600"}, 503) for n in range(20)}
    reasons = {outcome.reason for outcome in fetch(*(f"/{n}" for n in range(20)), per_host=1)}
    assert reasons == {"http_503", "busy"}
    assert site.paths() == ["/robots.txt", "/0"]


async def hang_up(request):
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize("answer", [(b"", {}, 503), (b"", {}, 429), hang_up])
def test_a_host_that_fails_again_and_again_is_left_alone_for_this_run(site, fetch, hasty, answer):
    site.answers |= {f"/{n}": answer for n in range(50)}
    outcomes = fetch(*(f"/{n}" for n in range(50)), per_host=2)
    assert "host_down" in {outcome.reason for outcome in outcomes}
    assert all(outcome.transient for outcome in outcomes)
    # Two at a time, each repeated once by aiohttp itself, since the connection may merely have been an old one.
    assert len(site.paths()) <= 1 + 2 * 2 * (PATIENCE + 1)
    before = len(site.paths())
    fetch("/0", attempts=1)
    assert site.paths()[before : before + 2] == ["/robots.txt", "/0"]  # the next run asks again


def test_pictures_that_are_gone_do_not_speak_against_a_host(site, fetch):
    site.answers["/there"] = b"picture"
    outcomes = fetch(*(f"/{n}" for n in range(50)), "/there", per_host=1)
    assert {outcome.reason for outcome in outcomes[:-1]} == {"http_404"}
    assert outcomes[-1].content == b"picture"


def test_a_rate_does_not_eat_up_the_time(site, fetch):
    site.answers |= {f"/{n}": b"picture" for n in range(10)}
    outcomes = fetch(*(f"/{n}" for n in range(10)), manners=Manners(rate=5.0, jitter=0.0), timeout=1.0)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
