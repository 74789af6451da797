"""The SSRF guard: connect to public addresses only, and to a few allowed origins."""

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pixmill.web.fetch.location import host_of
from pixmill.web.fetch.values import Network

_LOOPBACK = "127.0.0.1"
_LOOKUPS = 32
"""Names that are looked up at the same time: those of dead hosts take seconds each, and must not hold up the rest."""

_NEXT_ADDRESS = 0.25
"""Seconds after which the next address of a host is tried beside the first (RFC 8305, section 8)."""


_GLOBAL_UNICAST = ip_network("2000::/3")
"""The only part of IPv6 from which public addresses are given out (RFC 4291, section 2.4)."""

_NEVER = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "2001::/23",  # Teredo, ORCHID and other protocols (RFC 2928): some carry an IPv4 address inside
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): carries an IPv4 address inside
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Blocks that ``ipaddress`` calls global, wholly or in part, and that lead elsewhere or nowhere."""


class ForbiddenHostError(OSError):
    """Which host or address is not public.

    An ``OSError``, so that aiohttp treats it like any other connection that failed and closes what it opened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(errno.EACCES, message)


class Guard(AbstractResolver):
    """Check a host three times: in the URL, when its name is resolved, and when its address is connected to.

    The first catches literal addresses, which aiohttp never resolves; the second every name that leads to a non-public
    address, be it beside public ones; the third sees the very address of every connection, so that no spelling and no
    second answer of a name server can lead around the first two.

    Args:
        network: What may be reached beside the public internet; nothing by default.
    """

    def __init__(self, network: Network | None = None) -> None:
        network = network or Network()
        self._served = {_origin(key): port for key, port in network.served.items()}
        self._served_hosts = {host for host, _ in self._served}
        self._allowed = {_origin(key) for key in network.allowed}
        self._open = {(_LOOPBACK, port) for port in self._served.values()}
        """Non-public addresses that an origin of the network's was found to lead to, each with its port."""
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="pixmill-lookup")

    async def open_connection(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a host as a URL or a CONNECT request spells it, and return the pair of streams.

        The way out for whoever is no aiohttp client. The host is read as a browser and aiohttp read it (letters of
        other scripts, full-width digits, ideographic dots, brackets), so that what is checked is what is meant.

        Args:
            host: A name or an address, in any spelling.
            port: The port that is asked for; an origin that is served on loopback is reached on its port there.

        Raises:
            ForbiddenHostError: An address of the host is not public, and no exception of the network's.
            OSError: The text is no host, it has no address, or none answers. There is no limit on time.
        """
        try:
            name = host_of(host)
        except ValueError:
            raise OSError(errno.EINVAL, f"{host[:200]!r} is not a host name") from None
        if _is_address(name):
            self._admit((name, port), name)
        addresses = [
            (each["family"], socket.SOCK_STREAM, 0, "", (each["host"], each["port"]))
            for each in await self.resolve(name, port)
        ]
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS, socket_factory=self.open_socket
        )
        try:
            return await asyncio.open_connection(sock=connected)
        except BaseException:
            connected.close()
            raise

    def check(self, url: URL) -> None:
        """Refuse a URL whose host is a literal address that is not public.

        Raises:
            ForbiddenHostError: It is one.
        """
        host = (url.raw_host or "").rstrip(".")
        if _is_address(host):
            self._admit((host, url.port or 0), host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, unless one of them is not public.

        Raises:
            ForbiddenHostError: An address of the host is not public.
            OSError: The host has no address.
        """
        origin = (host.rstrip(".").lower(), port)
        if origin in self._served:
            return [_result(host, _LOOPBACK, self._served[origin], socket.AF_INET)]
        if origin[0] in self._served_hosts:
            raise ForbiddenHostError(f"{host} is not served on port {port}")
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._lookups, look_up)
        except ValueError:  # a label that is empty or too long, or a NUL
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from None
        addresses = [(kind, str(sockaddr[0])) for kind, _, _, _, sockaddr in results]
        for _, address in addresses:
            self._admit(origin, address)
        return [_result(host, address, port, kind) for kind, address in addresses]

    async def close(self) -> None:
        """Give up what is being looked up."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for a connection that is about to be made, as ``TCPConnector(socket_factory=…)`` wants it.

        Args:
            info: Family, type, protocol, name and socket address, as ``socket.getaddrinfo`` gives them.

        Raises:
            ForbiddenHostError: The address is not public.
        """
        family, kind, protocol, _, (address, port, *_) = info
        if (address, port) not in self._open:
            _require_public(address, (address, port))
        return socket.socket(family, kind, protocol)

    def _admit(self, origin: tuple[str, int], address: str) -> None:
        """Open an address to an origin. That it is open to another one, on loopback or within, helps nobody else."""
        if origin in self._allowed:
            self._open.add((address, origin[1]))
        else:
            _require_public(address, origin)


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet.

    Loopback, private, link-local, multicast, shared (RFC 6598), reserved and documentation addresses do not, nor do
    IPv6 addresses that wrap an IPv4 one; an IPv4-mapped address is judged by the address in it.

    Args:
        address: An IPv4 or IPv6 address in its canonical spelling; a scope (``%eth0``) is allowed. What is no address
            is not public: URLs may hold literals such as ``[v1.::1]`` that nothing here can judge.

    >>> is_public("2606:4700::1111"), is_public("::ffff:10.0.0.1"), is_public("v1.::1")
    (True, False, False)
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed not in _GLOBAL_UNICAST:
            return False
    if any(parsed in block for block in _NEVER):
        return False
    return parsed.is_global and not parsed.is_multicast


def _require_public(address: str, origin: tuple[str, int]) -> None:
    if not is_public(address):
        host, port = origin
        # The params take names and IPv4 addresses.
        advice = "" if ":" in host else f" (if the host is yours: scrape.allow_hosts: ['{host}:{port}'])"
        raise ForbiddenHostError(f"{address} is not a public address{advice}")


def _origin(key: str) -> tuple[str, int]:
    host, _, port = key.rpartition(":")
    return host_of(host), int(port)


def _is_address(host: str) -> bool:
    # Nearly all hosts are names, and an exception a fetch costs more than looking: every IPv4 address ends in a digit.
    if not (host[-1:].isdigit() or ":" in host):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False  # a name, or an odd spelling of an address, which the name service reads
    return True


def _result(name: str, address: str, port: int, family: int) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=name, host=address, port=port, family=family, proto=0, flags=flags)
