import asyncio
import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from pixmill.fetch.guard import Forbidden, Guard


@pytest.fixture
def names(monkeypatch):
    """Names of the tests' own, in place of the name server's."""
    table = {}

    def getaddrinfo(host, port, *_, **__):
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in table[host]]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in zip(kinds, table[host], strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25eth0]",
        "[fec0::1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "localhost",
        "user:secret@127.0.0.1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_inner_address_is_reached(site, fetch, scheme, host):
    """The trap listens on the very port that is allowed by name; nothing gets there by address."""
    outcome = fetch(f"{scheme}://{host}:{site.port}/")
    assert outcome.reason in ("private_address", "bad_url")
    assert site.requests == []


def test_a_name_with_an_inner_address_is_refused(site, fetch, names):
    names["inner.example"] = ["10.0.0.1"]
    names["both.example"] = ["8.8.8.8", "127.0.0.1"]
    names["six.example"] = ["2606:4700::1111", "fe80::1"]
    for name in names:
        assert fetch(f"http://{name}:{site.port}/").reason == "private_address"
    assert site.requests == []


def test_an_unknown_name_is_a_failed_connection(fetch, names):
    assert fetch("http://nowhere.example/", attempts=1).reason == "connection"


def test_own_names_are_reached_on_their_port_only(site, fetch):
    site.answers["/x"] = b"here"
    assert fetch("/x").content == b"here"
    assert fetch(f"http://pictures.test:{site.port}/x").reason == "private_address"
    assert fetch("https://pictures.test/x").reason == "private_address"
    assert fetch("http://other.pictures.test/x", attempts=1).reason == "connection"


def test_a_second_answer_of_the_name_server_does_not_lead_around(site):
    """Whoever resolves, the socket is opened for public addresses only."""

    class Lying(AbstractResolver):
        async def resolve(self, host, _port=0, family=socket.AF_INET):
            return [
                ResolveResult(hostname=host, host="127.0.0.1", port=site.port, family=family, proto=0, flags=0),
                ResolveResult(hostname=host, host="127.0.0.2", port=site.port, family=family, proto=0, flags=0),
            ]

        async def close(self):
            pass

    async def get():
        connector = aiohttp.TCPConnector(resolver=Lying(), socket_factory=Guard().open_socket)
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://rebound.example/"):
            pass

    with pytest.raises(aiohttp.ClientConnectorError, match="not a public address"):
        asyncio.run(get())
    assert site.requests == []


def test_a_socket_is_opened_for_a_public_address():
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))
    with Guard().open_socket(address) as opened:
        assert opened.family == socket.AF_INET


def test_loopback_is_open_on_the_served_ports_only():
    guard = Guard({"shop.test": 4711})

    def info(address, port):
        return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))

    guard.open_socket(info("127.0.0.1", 4711)).close()
    for address, port in (("127.0.0.1", 4712), ("127.0.0.2", 4711), ("10.0.0.1", 4711)):
        with pytest.raises(Forbidden):
            guard.open_socket(info(address, port))
