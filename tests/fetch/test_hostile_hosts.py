"""Any text as the host of a URL, a redirect or a proxy request gives a regular outcome."""

import asyncio
import socket

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.fetch import FetchLimits, Refused
from pixmill.fetch.fetcher import Fetcher
from pixmill.fetch.proxy import Proxy
from tests.fetch.conftest import NAME, Site

PORTS = st.sampled_from(
    [
        "",
        "",
        ":",
        ":80",
        ":0",
        ":65536",
        ":99999999999",
        ":-1",
        ":x",
        ":\uff18\uff10",
        ":80:80",
        ":%38",
    ]
)
USERS = st.sampled_from(
    ["", "", "user@", "user:secret@", "@", "a@b@", "%40@", "[::1]@", f"{NAME}@"]
)
LITERALS = st.one_of(
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.text("0123456789abcdefv:.%[]", max_size=20).map(lambda text: f"[{text}]"),
    st.sampled_from(
        ["[v1.::1]", "[:]", "[::]", "[]", "[::1", "::1]", "[[::1]]", "[2001:db8::1%]", "[2606:4700::1%]",
         "[fe80::1%25lo]",
         "[::ffff:127.0.0.1]", "[::1]x", "[vF.x:y]", "[2606:4700::1111%25]", "[1:2:3:4:5:6:7:8:9]",
         "[\uff1a\uff1a\uff11]"]
    ),
)  # fmt: skip
NAMES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", ".", "..", "a..b", "a" * 64, "a" * 300, "a." * 200,
         "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127。0。0。1",
         "%31%32%37.0.0.1",
         "%00", "127.0.0.1%00", "xn--a", "xn--", "xn--" + "9" * 60, "-a.test", "a_b.test", "\u0130.test", "\u200d",
         "a\u0301.test", "0x7f.1", "256.256.256.256", "1.2.3", "4294967296"]
    ),
    st.characters(codec="utf-8").map(lambda sign: f"{sign}.test"),
)  # fmt: skip
HOSTS = st.builds("{}{}{}".format, USERS, LITERALS | NAMES, PORTS)


@pytest.fixture(scope="module")
def unknown_names():
    """Resolve addresses but no names, and refuse connections to other machines."""
    look_up = socket.getaddrinfo

    def read(host, port, family=0, *arguments, **named):
        return look_up(host, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)

    async def refuse(loop, opened, address):
        if address[0] not in ("127.0.0.1", "::1"):
            raise ConnectionRefusedError
        return await connect(loop, opened, address)

    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", read)
        patch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", refuse)
        yield


@pytest.fixture(scope="module")
def fetching(unknown_names):
    """A site and a fetcher for all examples, on one event loop."""
    with Site() as site, asyncio.Runner() as runner:
        fetcher = Fetcher(FetchLimits(attempts=1, first_pause=0.01), network=site.network())
        runner.run(fetcher.__aenter__())
        yield site, fetcher, runner
        runner.run(fetcher.__aexit__(None, None, None))


@settings(max_examples=25)
@given(HOSTS, st.sampled_from(["http", "https"]))
def test_url_with_any_host_has_an_outcome(fetching, host, scheme):
    _, fetcher, runner = fetching
    for ask in (fetcher.fetch, fetcher.ask, fetcher.find_refusal):
        assert isinstance(runner.run(ask(f"{scheme}://{host}/x")), Refused)


@settings(max_examples=25)
@given(HOSTS, st.sampled_from(["http://", "https://", "//", "http:", ""]))
def test_redirect_to_any_host_has_an_outcome(fetching, host, scheme):
    site, fetcher, runner = fetching
    location = f"{scheme}{host}/x".replace("\r", "").replace("\n", "").replace("\0", "")

    async def redirect(request):
        answer = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"
        request.transport.write(answer.encode("utf-8", "replace"))
        request.transport.close()
        return web.Response()

    site.answers["/old"] = redirect
    assert isinstance(runner.run(fetcher.fetch(f"http://{NAME}/old")), Refused)


@pytest.fixture(scope="module")
def proxy(unknown_names):
    with Proxy() as proxy:
        yield proxy


@settings(max_examples=25)
@given(
    HOSTS, st.sampled_from(["CONNECT {} HTTP/1.1", "GET http://{}/x HTTP/1.1", "GET {} HTTP/1.1"])
)
def test_proxy_answers_requests_for_any_host(proxy, host, line):
    head = line.format(host).replace("\r", "").replace("\n", "").encode("utf-8", "replace")
    with socket.create_connection(
        ("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=60
    ) as client:
        client.sendall(head + b"\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 502 "))
    assert b"pixmill: " in answer


@pytest.mark.parametrize("host", ["[v1.::1]", "[:]", "[2001:db8::1%]"])
def test_invalid_literals_are_refused(fetching, host):
    site, fetcher, runner = fetching
    site.answers["/old"] = (b"", {"Location": f"http://{host}/x"}, 302)
    outcomes = [
        runner.run(fetcher.fetch(url)) for url in (f"http://{host}/x", f"http://{NAME}/old")
    ]
    assert {outcome.reason for outcome in outcomes} <= {
        "private_address",
        "bad_url",
        "bad_redirect",
    }
