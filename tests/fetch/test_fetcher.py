import asyncio
import time

import pytest
from aiohttp import web

from pixmill.fetch import Fetched, Network, Politeness, Unchanged, Validators
from pixmill.fetch.host import MAX_FAILURES


def test_fetches_an_image(site, fetch):
    site.answers["/x.png"] = b"image"
    assert fetch("/x.png") == Fetched(b"image", "http://images.test/x.png")


def test_data_uris_need_no_network(fetch):
    assert fetch("data:,image", "DATA:;base64,aW1hZ2U=") == [Fetched(b"image", "data:")] * 2


def test_invalid_url_is_refused(fetch):
    assert fetch("not an address").reason == "bad_url"


def test_pages_are_visited_if_robots_txt_permits(site, use):
    site.answers["/robots.txt"] = b"User-agent: *\nDisallow: /search"
    urls = ("http://images.test/", "http://images.test/search?q=coat", "file:///etc/passwd")

    async def ask(fetcher):
        return [await fetcher.find_refusal(url) for url in urls]

    home, search, passwd = use(ask)
    assert home is None
    assert (search.reason, passwd.reason) == ("robots", "bad_url")
    responsible = Politeness(robots_exceptions=frozenset({"images.test"}))
    assert use(ask, politeness=responsible)[:2] == [None, None]
    opted_out = Politeness(opt_out=frozenset({"images.test"}))
    assert [refused.reason for refused in use(ask, politeness=opted_out)] == [
        "opted_out",
        "opted_out",
        "bad_url",
    ]


def test_pages_of_a_pausing_host_are_not_visited(site, use):
    site.answers["/coat.png"] = (b"", {"Retry-After": "3600"}, 429)

    async def ask(fetcher):
        await fetcher.fetch("http://images.test/coat.png")
        return await fetcher.find_refusal("http://images.test/")

    assert use(ask).reason == "busy"


API = "http://images.test/v1/images/?q=coat"


def test_api_requests_ignore_robots_txt(site, use):
    site.answers |= {
        "/robots.txt": b"User-agent: *\nDisallow: /",
        "/v1/images/": (b"{}", {"X-Robots-Tag": "noindex"}),
    }
    assert use(lambda fetcher: fetcher.ask(API)) == Fetched(b"{}", API)
    assert site.paths() == ["/v1/images/"]
    assert site.requests[0].headers["Accept"] == "application/json"


def test_opted_out_host_receives_no_request(site, fetch):
    assert (
        fetch("/x", politeness=Politeness(opt_out=frozenset({"images.test"}))).reason == "opted_out"
    )
    assert site.requests == []


def test_known_image_behind_a_redirect_is_unchanged(site, use):
    site.answers |= {"/old": (b"", {"Location": "/new"}, 301), "/new": (b"", {}, 304)}
    known = Validators('"1"', url="http://images.test/new")
    assert use(lambda fetcher: fetcher.fetch("http://images.test/old", known)) == Unchanged()


@pytest.mark.parametrize("known_at", [None, "http://images.test/before"])
def test_validators_do_not_apply_to_another_redirect_target(site, use, known_at):
    """Many servers number versions from 1, and an older file is "not modified since" a newer one."""

    async def new(request):
        return (
            web.Response(status=304)
            if "If-None-Match" in request.headers
            else web.Response(body=b"new")
        )

    site.answers |= {"/old": (b"", {"Location": "/new"}, 302), "/new": new}
    known = Validators('"1"', url=known_at)
    fetched = use(lambda fetcher: fetcher.fetch("http://images.test/old", known))
    assert fetched == Fetched(b"new", "http://images.test/new")


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_fetches_many_images_of_one_host(site, fetch, rate):
    site.answers |= {f"/{n}": b"image" for n in range(200)}
    outcomes = fetch(*(f"/{n}" for n in range(200)), politeness=Politeness(rate=rate))
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)


def failing(times, status=503, headers=None):
    """Return a handler that fails the given number of times, then answers with an image."""
    left = times

    async def answer(request):
        nonlocal left
        left -= 1
        return (
            web.Response(status=status, headers=headers)
            if left >= 0
            else web.Response(body=b"image")
        )

    return answer


def redirect(location, status=302):
    return b"", {"Location": location}, status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(site, fetch, status):
    site.answers |= {"/old": redirect("new?x=1#part", status), "/new": b"image"}
    assert fetch("/old") == Fetched(b"image", "http://images.test/new?x=1")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "private_address"),
        ("http://127。0。0。1/", "private_address"),
        ("http://localhost/", "private_address"),
        ("http://[::ffff:10.0.0.1]/", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("//0x7f.1/", "private_address"),
        ("https://images.test/", "private_address"),
        ("http://[64:ff9b::7f00:1]/", "private_address"),
        ("http://[2002:7f00:1::]/", "private_address"),
        ("http://2130706433/", "bad_url"),
        ("file:///etc/passwd", "bad_redirect"),
        ("javascript:alert(1)", "bad_redirect"),
        ("ftp://images.test/x", "bad_redirect"),
        ("http://[::1", "bad_redirect"),
        ("", "bad_redirect"),
    ],
)
def test_redirect_targets_are_checked(site, fetch, location, reason):
    site.answers["/old"] = redirect(location)
    assert fetch("/old").reason == reason
    assert site.paths() == ["/robots.txt", "/old"]


def test_redirects_are_followed_up_to_the_limit(site, fetch):
    site.answers |= {f"/{step}": redirect(f"/{step + 1}") for step in range(5)} | {"/5": b"at last"}
    assert fetch("/0").content == b"at last"
    assert fetch("/0", redirects=4).reason == "too_many_redirects"


def test_credentials_in_urls_are_not_sent(site, fetch):
    site.answers |= {"/x": redirect("http://user:secret@images.test/y"), "/y": b"image"}
    assert fetch("http://name:secret@images.test/x") == Fetched(b"image", "http://images.test/y")
    assert all("Authorization" not in request.headers for request in site.requests)


def test_redirect_from_https_to_http_is_refused(site, secure_site, authority, fetch):
    secure_site.answers["/x"] = redirect("http://images.test/x")
    site.answers["/x"] = b"in the open"
    network = Network(
        served={"images.test:443": secure_site.port, "images.test:80": site.port},
        authority=authority.pem,
    )
    outcome = fetch("https://images.test/x", network=network)
    assert (outcome.reason, outcome.detail) == ("bad_redirect", "from https to http")
    assert site.requests == []


def test_redirect_to_an_opted_out_host_is_not_followed(site, fetch):
    site.answers["/x"] = redirect("http://www.museum.test/x")
    outcome = fetch(
        "/x",
        network=site.network("www.museum.test:80"),
        politeness=Politeness(opt_out=frozenset({"museum.test"})),
    )
    assert outcome.reason == "opted_out"
    assert site.paths() == ["/robots.txt", "/x"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_failure_is_retried(site, fetch, status):
    site.answers["/x"] = failing(1, status)
    assert fetch("/x", first_pause=0.01).content == b"image"


def test_attempts_are_limited(site, fetch):
    site.answers["/x"] = failing(10)
    assert fetch("/x", attempts=2, first_pause=0.01).reason == "http_503"
    assert site.paths().count("/x") == 2


def test_long_retry_after_is_not_waited_for(site, fetch):
    site.answers["/x"] = failing(1, headers={"Retry-After": "3600"})
    outcome = fetch("/x")
    assert (outcome.reason, outcome.retry_after) == ("http_503", 3600.0)
    assert site.paths().count("/x") == 1


def test_timeout_includes_all_pauses(site, fetch):
    answers = iter([{}, {"Retry-After": "20"}])

    async def answer(request):
        return web.Response(status=503, headers=next(answers))

    site.answers["/x"] = answer
    # The second pause would fit into the time alone, but not with the first of half a second.
    assert fetch("/x", attempts=100, timeout=20.4).reason == "http_503"
    assert next(answers, None) is None


def test_concurrent_fetches_per_host_are_limited(site, fetch):
    running = 0
    peak = 0

    async def slow(request):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.05)
        running -= 1
        return web.Response(body=b"image")

    site.answers |= {f"/{n}": slow for n in range(12)}
    assert all(
        isinstance(outcome, Fetched) for outcome in fetch(*(f"/{n}" for n in range(12)), per_host=3)
    )
    assert peak == 3


def test_timeout_excludes_waiting_for_a_connection(site, fetch):
    async def slow(request):
        await asyncio.sleep(0.15)
        return web.Response(body=b"image")

    site.answers |= {f"/{n}": slow for n in range(11)}
    outcomes = fetch(*(f"/{n}" for n in range(11)), connections=1, timeout=1.5)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)


def test_retry_after_pauses_all_requests_to_the_host(site, fetch):
    began = []

    async def busy(request):
        began.append(time.monotonic())
        first = len(began) == 1
        return (
            web.Response(status=429, headers={"Retry-After": "1"})
            if first
            else web.Response(body=b"image")
        )

    site.answers |= {f"/{n}": busy for n in range(4)}
    outcomes = fetch(*(f"/{n}" for n in range(4)), per_host=1)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert min(began[1:]) - began[0] >= 1.0


async def hang_up(request):
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize("answer", [(b"", {}, 503), (b"", {}, 429), hang_up])
def test_repeatedly_failing_host_is_skipped_for_this_run(site, fetch, answer):
    site.answers |= {f"/{n}": answer for n in range(50)}
    outcomes = fetch(*(f"/{n}" for n in range(50)), per_host=2, first_pause=0.01)
    assert "host_down" in {outcome.reason for outcome in outcomes}
    assert all(outcome.transient for outcome in outcomes)
    # Two at a time, each repeated once by aiohttp, in case a kept-alive connection was closed.
    assert len(site.paths()) <= 1 + 2 * 2 * (MAX_FAILURES + 1)
    before = len(site.paths())
    fetch("/0", attempts=1)
    assert site.paths()[before : before + 2] == ["/robots.txt", "/0"]  # the next run tries again


def test_last_answer_is_reported_rather_than_busy(site, fetch):
    site.answers |= {"/0": (b"", {}, 503), "/1": (b"", {}, 503)}
    assert [outcome.reason for outcome in fetch("/0", "/1", per_host=1, first_pause=0.01)] == [
        "http_503",
        "http_503",
    ]
