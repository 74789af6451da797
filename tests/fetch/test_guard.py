import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.fetch.guard import ForbiddenHostError, Guard, is_public
from pixmill.fetch.values import Network
from tests.fetch.inner import INNER_HOSTS


@pytest.mark.parametrize("host", INNER_HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_a_private_address_is_reached(trap, fetch, scheme, host):
    """The trap's port is allowed by name, but not by address."""
    network = Network(served={"images.test:80": trap.port})
    outcome = fetch(f"{scheme}://{host}:{trap.port}/", network=network, attempts=1)
    assert outcome.reason in ("private_address", "bad_url", "connection")
    assert outcome.reason != "connection" or "%" in host  # an unknown name
    assert not trap.sprung()


def test_names_with_a_private_address_are_refused(trap, fetch, names):
    names["inner.example"] = ["10.0.0.1"]
    names["both.example"] = ["8.8.8.8", "127.0.0.1"]
    names["six.example"] = ["2606:4700::1111", "fe80::1"]
    names["wrapped.example"] = ["64:ff9b::7f00:1"]
    for name in names:
        outcome = fetch(
            f"http://{name}:{trap.port}/", network=Network(served={"images.test:80": trap.port})
        )
        assert outcome.reason == "private_address"
    assert not trap.sprung()


def test_advice_names_only_valid_allow_hosts_entries(trap, fetch):
    assert "scrape.allow_hosts: ['10.0.0.5:8000']" in fetch("http://10.0.0.5:8000/").detail
    assert fetch("http://[fd00::1]:8000/").detail == "fd00::1 is not a public address"


def test_dns_rebinding_is_refused(trap, fetch, names, wire):
    """The checked address is the connected one, without a second lookup."""
    lookups = []

    def answer():
        lookups.append(1)
        return ["8.8.8.8"] if len(lookups) % 2 else ["127.0.0.1"]

    names["rebound.example"] = answer
    assert fetch(f"http://rebound.example:{trap.port}/", attempts=2).reason == "connection"
    assert wire == ["8.8.8.8"] * 2
    lookups.clear()
    first, second = connect(None, *[("rebound.example", trap.port)] * 2)
    assert isinstance(first, ConnectionRefusedError)
    assert isinstance(second, ForbiddenHostError)
    assert wire == ["8.8.8.8"] * 3
    assert not trap.sprung()


def test_public_addresses_are_connected_to(fetch, names, wire):
    names["public.example"] = ["8.8.8.8", "2606:4700::1111"]
    for url in ("http://public.example/", "http://8.8.4.4/", "http://[2606:4700::1112]/"):
        assert fetch(url, attempts=1).reason == "connection"
    assert set(wire) == {"8.8.8.8", "2606:4700::1111", "8.8.4.4", "2606:4700::1112"}


def test_unknown_name_is_a_failed_connection(fetch, names):
    assert fetch("http://nowhere.example/", attempts=1).reason == "connection"


def test_served_origins_are_reached_on_their_port_only(site, fetch):
    site.answers["/x"] = b"here"
    assert fetch("/x").content == b"here"
    assert fetch(f"http://images.test:{site.port}/x").reason == "private_address"
    assert fetch("https://images.test/x").reason == "private_address"
    assert fetch("http://other.images.test/x", attempts=1).reason == "connection"


def test_socket_factory_checks_addresses_of_any_resolver(trap):
    """The socket factory accepts public addresses only, whatever the resolver returns."""

    class LyingResolver(AbstractResolver):
        async def resolve(self, host, _port=0, family=socket.AF_INET):
            return [
                ResolveResult(
                    hostname=host, host="127.0.0.1", port=trap.port, family=family, proto=0, flags=0
                ),
                ResolveResult(
                    hostname=host, host="127.0.0.2", port=trap.port, family=family, proto=0, flags=0
                ),
            ]

        async def close(self):
            pass

    async def get():
        connector = aiohttp.TCPConnector(
            resolver=LyingResolver(), socket_factory=Guard().open_socket
        )
        bound = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(connector=connector, timeout=bound) as session:
            await session.get("http://rebound.example/")

    with pytest.raises(aiohttp.ClientConnectorError, match="not a public address"):
        asyncio.run(get())
    assert not trap.sprung()


def test_loopback_is_open_on_the_served_ports_only():
    guard = Guard(Network(served={"shop.test:80": 4711}))

    def info(address, port):
        return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))

    guard.open_socket(info("127.0.0.1", 4711)).close()
    for address, port in (("127.0.0.1", 4712), ("127.0.0.2", 4711), ("10.0.0.1", 4711)):
        with pytest.raises(ForbiddenHostError):
            guard.open_socket(info(address, port))


def connect(network, *origins):
    """Open a connection to each host and port, send a request, and return the response or the error."""

    async def one(guard, host, port):
        try:
            reader, writer = await guard.open_connection(host, port)
        except OSError as error:
            return error
        writer.write(b"GET /x HTTP/1.0\r\nConnection: close\r\n\r\n")
        body = (await reader.read()).split(b"\r\n\r\n")[1]
        writer.close()
        await writer.wait_closed()
        return body

    async def all_of_them():
        guard = Guard(network)
        return [await one(guard, host, port) for host, port in origins]

    answers = asyncio.run(all_of_them())
    return answers[0] if len(answers) == 1 else answers


@pytest.mark.parametrize("host", ["images.test", "Images.TEST.", "ⓘⓜⓐⓖⓔⓢ。test"])
def test_served_origin_is_connected_to(site, host):
    site.answers["/x"] = b"here"
    assert connect(site.network("images.test:443"), (host, 80), (host, 443)) == [b"here"] * 2


def test_other_connections_are_refused(trap, names):
    names["inner.example"] = names["127.1"] = ["127.0.0.1"]
    names["both.example"] = ["8.8.8.8", "127.0.0.1"]
    network = Network(served={"images.test:80": trap.port})
    hosts = [
        "127.0.0.1",
        "[::1]",
        "::1",
        "::ffff:127.0.0.1",
        "127。0。0。1",
        "127.1",
        "inner.example",
        "both.example",
    ]
    for host in hosts:
        assert isinstance(connect(network, (host, trap.port)), ForbiddenHostError), host
    assert isinstance(connect(network, ("images.test", trap.port)), ForbiddenHostError)
    assert not trap.sprung()


@pytest.mark.parametrize(
    "host", ["", ".", "a/b", "a b", "user@host", "host:80", "a..b", "x" * 300, "nul\0", "[::1"]
)
def test_connection_to_an_invalid_host_fails(host):
    assert type(connect(None, (host, 80))) in (OSError, socket.gaierror)


def test_allowed_origin_is_reached_by_its_name_and_port_only(site, names):
    site.answers["/x"] = b"within"
    names["nas.example"] = names["other.example"] = ["127.0.0.1"]
    network = Network(allowed=frozenset({f"nas.example:{site.port}"}))
    assert connect(network, ("NAS.example", site.port)) == b"within"
    others = [
        ("nas.example", site.port + 1),
        ("other.example", site.port),
        ("127.0.0.1", site.port),
    ]
    answers = connect(network, ("nas.example", site.port), *others)
    assert answers[0] == b"within"
    assert all(isinstance(answer, ForbiddenHostError) for answer in answers[1:])
    assert len(site.requests) == 2


def test_allowed_address_is_reached_on_its_port_only(site):
    site.answers["/x"] = b"within"
    network = Network(allowed=frozenset({f"127.0.0.1:{site.port}"}))
    answers = connect(
        network, ("127.0.0.1", site.port), ("127.0.0.1", site.port + 1), ("127.0.0.2", site.port)
    )
    assert answers[0] == b"within"
    assert all(isinstance(answer, ForbiddenHostError) for answer in answers[1:])


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "193.99.144.80",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:8.8.8.8",
    ],
)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",  # loopback
        "127.255.255.254",
        "::1",
        "0.0.0.0",  # this host
        "::",
        "10.0.0.1",  # private
        "172.16.0.1",
        "192.168.1.1",
        "fd00::1",
        "169.254.169.254",  # link-local: metadata servers of clouds
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",  # site-local
        "100.64.0.1",  # shared by carriers
        "224.0.0.1",  # multicast
        "239.255.255.250",
        "ff02::1",
        "240.0.0.1",  # reserved
        "255.255.255.255",
        "192.0.0.9",  # protocols
        "192.0.2.1",  # documentation
        "2001:db8::1",
        "3fff::1",
        "198.18.0.1",  # benchmarks
        "192.88.99.1",  # 6to4 relay
        "::ffff:127.0.0.1",  # IPv4 inside IPv6: mapped,
        "::ffff:10.0.0.1",
        "::127.0.0.1",  # compatible,
        "::ffff:0:7f00:1",  # translated,
        "64:ff9b::7f00:1",  # NAT64,
        "64:ff9b::808:808",  # even where the address in it is public,
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",  # 6to4,
        "2001:0:7f00:1::",  # Teredo
        "5f00::1",  # segment routing
        "100::1",  # discarded
        "2001:20::1",  # ORCHIDv2
        "3fff:fff::1",
        "198.51.100.7",
        "203.0.113.7",
        "100.127.255.255",
    ],
)
def test_other_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "text", ["shop.example", "", "v1.::1", "2001:db8::1%", "2606:4700::1111%", "127.1"]
)
def test_invalid_addresses_are_not_public(text):
    assert not is_public(text)


V4 = st.ip_addresses(v=4)


@settings(max_examples=25)
@given(V4)
def test_mapped_address_is_judged_by_the_embedded_one(v4):
    assert is_public(f"::ffff:{v4}") == is_public(str(v4))


@settings(max_examples=25)
@given(V4, st.sampled_from(["::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"]), st.booleans())
def test_embedding_addresses_are_never_public(v4, prefix, is_6to4):
    wrapped = IPv6Address(
        0x2002 << 112 | int(v4) << 80 if is_6to4 else int(IPv6Address(prefix)) | int(v4)
    )
    assert not is_public(str(wrapped))


@settings(max_examples=25)
@given(st.ip_addresses(v=6))
def test_only_global_unicast_is_public_in_ipv6(v6):
    if is_public(str(v6)) and v6.ipv4_mapped is None:
        assert v6 in IPv6Network("2000::/3")


@settings(max_examples=25)
@given(V4)
def test_only_unicast_is_public_in_ipv4(v4):
    if is_public(str(v4)):
        assert not any(
            (v4.is_private, v4.is_multicast, v4.is_loopback, v4.is_link_local, v4.is_reserved)
        )
        assert v4 < IPv4Address("224.0.0.0")
