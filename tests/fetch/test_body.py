import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from aiohttp import web

LIMIT = 100_000


def raw(*pieces, pause=0.0):
    """Answer with these bytes, as they are, then hang up."""

    async def answer(request):
        for piece in pieces:
            request.transport.write(piece)
            await asyncio.sleep(pause)
        request.transport.close()
        return web.Response()

    return answer


def test_a_body_up_to_the_limit(site, fetch):
    site.answers["/x"] = bytes(LIMIT)
    assert fetch("/x", max_bytes=LIMIT).content == bytes(LIMIT)


def test_an_announced_body_above_the_limit_is_not_read(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 1000)
    assert fetch("/x", max_bytes=LIMIT).reason == "too_large"


@pytest.mark.parametrize("head", [b"", b"Content-Type: image/jpeg\r\nConnection: close\r\n"])
def test_an_endless_body_is_cut_off(site, fetch, head):
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
    assert sent < 200 * LIMIT  # what the sockets' buffers took
    assert peak < 30 * LIMIT


def test_a_body_shorter_than_announced_is_no_picture(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 10)
    assert fetch("/x", attempts=1).reason == "incomplete"


def test_a_body_longer_than_announced_is_refused(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfourmore")
    assert fetch("/x").reason == "bad_response"


def test_a_body_without_length(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\n\r\n", b"first ", b"second", pause=0.01)
    assert fetch("/x").content == b"first second"


def test_a_drip_runs_out_of_time(site, fetch):
    site.answers["/x"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 200, pause=0.05)
    assert fetch("/x", timeout=0.5).reason == "timeout"


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compression_that_nobody_asked_for_is_undone(site, fetch, coding, compress):
    site.answers["/x"] = compress(b"picture" * 1000), {"Content-Encoding": coding}
    assert fetch("/x").content == b"picture" * 1000


def test_a_bomb_does_not_unfold(site, fetch):
    bomb = gzip.compress(bytes(300_000_000))
    site.answers["/x"] = bomb, {"Content-Encoding": "gzip"}
    tracemalloc.start()
    outcome = fetch("/x", max_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.reason == "too_large"
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("body", "coding"),
    [(b"picture", "br"), (b"not gzip", "gzip"), (gzip.compress(b"picture" * 1000)[:-20], "gzip"), (b"x", "gzip, gzip")],
)
def test_other_codings_are_refused(site, fetch, body, coding):
    site.answers["/x"] = body, {"Content-Encoding": coding}
    assert fetch("/x").reason == "encoding"
