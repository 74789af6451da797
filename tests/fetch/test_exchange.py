import asyncio
import gzip
import random
import time
import tracemalloc
import zlib

import pytest
from aiohttp import web

from pixmill.fetch import Fetched, Network, Politeness, Unchanged, Validators
from pixmill.fetch.fetcher import USER_AGENT


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410, 451, 501])
def test_other_statuses_are_reasons(site, fetch, status):
    site.answers["/x"] = b"", {}, status
    assert fetch("/x").reason == f"http_{status}"
    assert site.paths().count("/x") == 1


def test_request_headers_are_minimal(site, fetch):
    site.answers["/x"] = b"image", {"Set-Cookie": "who=you"}
    fetch("/x")
    fetch("/x")
    for request in site.requests:
        assert request.headers["User-Agent"] == USER_AGENT
        assert request.headers["Accept-Encoding"] == "identity"
        assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


def test_refused_connection_is_a_reason(fetch):
    outcome = fetch("/x", network=Network(served={"images.test:80": 9}), attempts=1)
    assert (outcome.reason, outcome.detail) == ("connection", "unknown host, or connection refused")


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"]
)
def test_invalid_http_is_a_bad_response(site, fetch, answer):
    async def speak(request):
        request.transport.write(answer)
        request.transport.close()
        return web.Response()

    site.answers["/x"] = speak
    assert fetch("/x", attempts=1).reason == "bad_response"


def test_user_agent_contains_the_contact(site, fetch):
    site.answers["/x"] = b"image"
    fetch("/x", politeness=Politeness(contact="team@example.org"))
    assert {request.headers["User-Agent"] for request in site.requests} == {
        f"{USER_AGENT} (+team@example.org)"
    }


def over_tls(site, authority=None):
    return Network(
        served={"images.test:443": site.port, "other.test:443": site.port}, authority=authority
    )


def test_certificate_of_the_given_authority_is_accepted(secure_site, authority, fetch):
    secure_site.answers["/x"] = b"image"
    outcome = fetch("https://images.test/x", network=over_tls(secure_site, authority.pem))
    assert outcome == Fetched(b"image", "https://images.test/x")


def test_other_certificates_are_rejected(secure_site, authority, fetch):
    assert fetch("https://images.test/x", network=over_tls(secure_site)).reason == "tls"
    assert (
        fetch("https://other.test/x", network=over_tls(secure_site, authority.pem)).reason == "tls"
    )
    assert secure_site.requests == []


def fetch_known(use, known):
    return use(lambda fetcher: fetcher.fetch("http://images.test/x", known))


DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def test_validators_are_returned(site, fetch):
    site.answers["/x"] = b"image", {"ETag": 'W/"1"', "Last-Modified": DATE}
    assert fetch("/x") == Fetched(b"image", "http://images.test/x", 'W/"1"', DATE)


@pytest.mark.parametrize("etag", ["x" * 1000, "caf\xe9", ""])
def test_unusable_etag_is_dropped(site, fetch, etag):
    site.answers["/x"] = b"image", {"ETag": etag}
    assert not fetch("/x").etag


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        (Validators(etag='"1"'), {"If-None-Match": '"1"'}),
        (Validators(modified=DATE), {"If-Modified-Since": DATE}),
        (Validators('"1"', DATE), {"If-None-Match": '"1"', "If-Modified-Since": DATE}),
    ],
)
def test_known_version_is_not_downloaded(site, use, known, sent):
    site.answers["/x"] = b"", {}, 304
    assert fetch_known(use, known) == Unchanged()
    headers = site.requests[-1].headers
    assert {name: headers[name] for name in headers if name.startswith("If-")} == sent


def test_new_version_is_downloaded(site, use):
    site.answers["/x"] = b"new", {"ETag": '"2"'}
    assert fetch_known(use, Validators('"1"')) == Fetched(b"new", "http://images.test/x", '"2"')


def test_unexpected_304_is_a_reason(site, use):
    site.answers["/x"] = b"", {}, 304
    for known in (None, Validators()):
        assert fetch_known(use, known).reason == "http_304"


def test_x_robots_tag_applies_to_unchanged_images(site, use):
    site.answers["/x"] = b"", {"X-Robots-Tag": "noai"}, 304
    assert fetch_known(use, Validators('"1"')).reason == "x_robots_tag"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silent_server_times_out(trap, fetch, scheme):
    network = Network(served={"images.test:80": trap.port, "images.test:443": trap.port})
    start = time.monotonic()
    outcome = fetch(
        f"{scheme}://images.test/x",
        network=network,
        attempts=1,
        connect_timeout=0.2,
        read_timeout=0.2,
    )
    assert outcome.reason == "timeout"
    assert time.monotonic() - start < 30


LIMIT = 100_000


def raw(*pieces, pause=0.0):
    """Return a handler that sends these bytes and closes the connection."""

    async def answer(request):
        for piece in pieces:
            request.transport.write(piece)
            await asyncio.sleep(pause)
        request.transport.close()
        return web.Response()

    return answer


def test_body_at_the_limit_is_accepted(site, fetch):
    site.answers["/x"] = bytes(LIMIT)
    assert fetch("/x", max_bytes=LIMIT).content == bytes(LIMIT)


def test_declared_oversized_body_is_not_read(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 1000)
    assert fetch("/x", max_bytes=LIMIT).reason == "too_large"


@pytest.mark.parametrize("head", [b"", b"Content-Type: image/jpeg\r\nConnection: close\r\n"])
def test_endless_body_is_aborted(site, fetch, head):
    sent = 0

    async def endless(request):
        nonlocal sent
        transport = request.transport
        transport.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while not transport.is_closing() and sent < 10_000_000_000:
            if transport.get_write_buffer_size() < LIMIT:
                transport.write(bytes(LIMIT))
                sent += LIMIT
            await asyncio.sleep(0)
        return web.Response()

    site.answers["/x"] = endless
    tracemalloc.start()
    outcome = fetch("/x", max_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.reason == "too_large"
    assert sent < 200 * LIMIT  # in socket buffers
    assert peak < 30 * LIMIT


def test_short_body_is_incomplete(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 10)
    assert fetch("/x", attempts=1).reason == "incomplete"


def test_long_body_is_a_bad_response(site, fetch):
    site.answers["/x"] = raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfourmore"
    )
    assert fetch("/x").reason == "bad_response"


def test_slow_body_times_out(site, fetch):
    site.answers["/x"] = raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 200, pause=0.05
    )
    # On a busy machine robots.txt alone may exceed the timeout.
    politeness = Politeness(robots_exceptions=frozenset({"images.test"}))
    assert fetch("/x", timeout=0.5, politeness=politeness).reason == "timeout"


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_unrequested_compression_is_decoded(site, fetch, coding, compress):
    site.answers["/x"] = compress(b"image" * 1000), {"Content-Encoding": coding}
    assert fetch("/x").content == b"image" * 1000


def test_compression_bomb_is_refused(site, fetch):
    bomb = gzip.compress(bytes(100_000_000))
    site.answers["/x"] = bomb, {"Content-Encoding": "gzip"}
    tracemalloc.start()
    outcome = fetch("/x", max_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.reason == "too_large"
    assert peak < 20_000_000


@pytest.mark.parametrize("coding", ["br", "gzip, gzip"])
def test_unknown_content_coding_is_refused(site, fetch, coding):
    site.answers["/x"] = b"image", {"Content-Encoding": coding}
    assert fetch("/x", attempts=1).reason in {
        "encoding",
        "bad_response",
    }  # aiohttp itself refuses br


def test_truncated_gzip_body_is_refused(site, fetch):
    site.answers["/x"] = (
        gzip.compress(random.Random(0).randbytes(20_000))[:9_000],
        {"Content-Encoding": "gzip"},
    )
    assert fetch("/x", attempts=1).reason == "incomplete"
