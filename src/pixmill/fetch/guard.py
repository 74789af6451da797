"""SSRF guard: connect only to public addresses and to a few allowed origins."""

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.request import getproxies_environment

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pixmill.fetch.location import host_of
from pixmill.fetch.values import Network

_LOOPBACK = "127.0.0.1"
_MAX_LOOKUPS = 32
"""Concurrent name lookups; a dead host's takes seconds and must not delay the others."""

_HAPPY_EYEBALLS_SECONDS = 0.25
"""Delay before the next address of a host is tried in parallel (RFC 8305, section 8)."""

NO_PROXY_ADVICE = (
    "run it where the internet is reached directly, or load the images yourself "
    "(scrape.source: folder)"
)
"""Advice for a network that is left only through a proxy."""

_GLOBAL_UNICAST = ip_network("2000::/3")
"""The only IPv6 block with public addresses (RFC 4291, section 2.4)."""

_NEVER = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        # Teredo, ORCHID and other protocols (RFC 2928): some carry an IPv4 address inside
        "2001::/23",
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): carries an IPv4 address inside
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Blocks that ``ipaddress`` considers global, at least in part, but whose addresses are not public hosts."""


def ignored_proxy() -> str | None:
    """Return a sentence about a proxy in the environment, or ``None`` if none is set.

    Behind a proxy the guard would not see to which addresses names resolve, so none is used.
    """
    proxies = getproxies_environment()
    names = ", ".join(
        f"{scheme.upper()}_PROXY" for scheme in ("https", "http", "all") if proxies.get(scheme)
    )
    return (
        f"{names} is set, but a scrape connects directly: a proxy would bypass its address check"
        if names
        else None
    )


class ForbiddenHostError(OSError):
    """Raised for a host or address that is not public.

    It is an ``OSError`` because aiohttp treats this as a failed connection and cleans up.
    """

    def __init__(self, message: str) -> None:
        super().__init__(errno.EACCES, message)


class Guard(AbstractResolver):
    """Check a host three times: in the URL, on resolution, and on connection.

    The first check covers literal addresses, which aiohttp does not resolve; the second covers
    names with any non-public address; the third checks the actual address of each connection, so no
    spelling and no second DNS answer (rebinding) evades the first two.

    Args:
        network: Allowed non-public origins; default: none.
    """

    def __init__(self, network: Network | None = None) -> None:
        network = network or Network()
        self._served = {_origin(key): port for key, port in network.served.items()}
        self._served_hosts = {host for host, _ in self._served}
        self._allowed = {_origin(key) for key in network.allowed}
        self._open = {(_LOOPBACK, port) for port in self._served.values()}
        """Non-public addresses of the allowed origins, with their ports."""
        self._lookups = ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="pixmill-lookup")

    async def open_connection(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a host and return its reader and writer, for callers other than aiohttp.

        There is no timeout.

        The host is normalised as by browsers and aiohttp (other scripts, full-width digits,
        ideographic dots, brackets) before it is checked.

        Args:
            host: Name or address, in any spelling of a URL or CONNECT request.
            port: Port; for a served origin it is mapped to the port on loopback.

        Raises:
            ForbiddenHostError: An address of the host is neither public nor allowed.
            OSError: The host is invalid, unknown or unreachable.
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
            addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS, socket_factory=self.open_socket
        )
        try:
            return await asyncio.open_connection(sock=connected)
        except BaseException:
            connected.close()
            raise

    def check(self, url: URL) -> None:
        """Check a URL whose host is a literal address; others are checked on resolution.

        Raises:
            ForbiddenHostError: The address is neither public nor allowed.
        """
        host = (url.raw_host or "").rstrip(".")
        if _is_address(host):
            self._admit((host, url.port or 0), host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            ForbiddenHostError: At least one address is neither public nor allowed.
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
        except ValueError:  # an empty or too long label, or a NUL
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from None
        addresses = [(kind, str(sockaddr[0])) for kind, _, _, _, sockaddr in results]
        for _, address in addresses:
            self._admit(origin, address)
        return [_result(host, address, port, kind) for kind, address in addresses]

    async def close(self) -> None:
        """Cancel pending lookups."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for a new connection; a ``socket_factory`` for ``TCPConnector``.

        Args:
            info: Family, type, protocol, canonical name and socket address, as from
                ``socket.getaddrinfo``.

        Raises:
            ForbiddenHostError: The address is neither public nor allowed.
        """
        family, kind, protocol, _, (address, port, *_) = info
        if (address, port) not in self._open:
            _require_public(address, (address, port))
        return socket.socket(family, kind, protocol)

    def _admit(self, origin: tuple[str, int], address: str) -> None:
        """Allow an address for one origin; a permission of another origin for this address does not count."""
        if origin in self._allowed:
            self._open.add((address, origin[1]))
        else:
            _require_public(address, origin)


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet.

    Loopback, private, link-local, multicast, shared (RFC 6598), reserved and documentation
    addresses do not, nor do IPv6 addresses that embed an IPv4 address, except IPv4-mapped ones,
    which are judged by the embedded address.

    Args:
        address: IPv4 or IPv6 address in canonical spelling, optionally with a scope (``%eth0``).
            Other text is not public; URLs may contain literals such as ``[v1.::1]``, which are no
            IP addresses.

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
        # scrape.allow_hosts accepts names and IPv4 addresses only.
        advice = (
            "" if ":" in host else f" (if the host is yours: scrape.allow_hosts: ['{host}:{port}'])"
        )
        raise ForbiddenHostError(f"{address} is not a public address{advice}")


def _origin(key: str) -> tuple[str, int]:
    host, _, port = key.rpartition(":")
    return host_of(host), int(port)


def _is_address(host: str) -> bool:

    try:
        ip_address(host)
    except ValueError:
        return False  # a name, or a non-canonical address, which the resolver handles
    return True


def _result(name: str, address: str, port: int, family: int) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=name, host=address, port=port, family=family, proto=0, flags=flags
    )
