"""Let connections out to public addresses only, and to the few origins that the network names beside them."""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pixmill.fetch.address import is_public
from pixmill.fetch.location import host_of
from pixmill.fetch.network import Network

__all__ = ["Forbidden", "Guard"]

_LOOPBACK = "127.0.0.1"
_LOOKUPS = 32
"""Names that are looked up at the same time: those of dead hosts take seconds each, and must not hold up the rest."""

_NEXT_ADDRESS = 0.25
"""Seconds after which the next address of a host is tried beside the first (RFC 8305, section 8)."""


class Forbidden(OSError):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say which host or address is not public.

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
            Forbidden: An address of the host is not public, and no exception of the network's.
            OSError: The text is no host, it has no address, or none answers. There is no limit on time.
        """
        try:
            name = host_of(host)
        except ValueError:
            raise OSError(errno.EINVAL, f"{host[:200]!r} is no name of a host") from None
        if _is_address(name):
            self._admit((name, port), name)
        found = await self.resolve(name, port)
        addresses = [(each["family"], socket.SOCK_STREAM, 0, "", _socket_address(each)) for each in found]
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
            Forbidden: It is one.
        """
        host = (url.raw_host or "").rstrip(".")
        if _is_address(host):
            self._admit((host, url.port or 0), host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, unless one of them is not public.

        Raises:
            Forbidden: An address of the host is not public.
            OSError: The host has no address.
        """
        origin = (host.rstrip(".").lower(), port)
        if origin in self._served:
            return [_result(host, _LOOPBACK, self._served[origin], socket.AF_INET)]
        if origin[0] in self._served_hosts:
            raise Forbidden(f"{host} is not served on port {port}")
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._lookups, look_up)
        except ValueError:  # a label that is empty or too long, or a NUL
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no name of a host") from None
        addresses = [(kind, str(sockaddr[0])) for kind, _, _, _, sockaddr in found]
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
            Forbidden: The address is not public.
        """
        family, kind, protocol, _, (address, port, *_) = info
        if (address, port) not in self._open and not is_public(address):
            raise _not_public(address)
        return socket.socket(family, kind, protocol)

    def _admit(self, origin: tuple[str, int], address: str) -> None:
        """Open an address to an origin. That it is open to another one, on loopback or within, helps nobody else."""
        if origin in self._allowed:
            self._open.add((address, origin[1]))
        elif not is_public(address):
            raise _not_public(address)


def _not_public(address: str) -> Forbidden:
    return Forbidden(f"{address} is not a public address")


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


def _socket_address(found: ResolveResult) -> tuple[str, int] | tuple[str, int, int, int]:
    if found["family"] == socket.AF_INET6:
        return (found["host"], found["port"], 0, 0)
    return (found["host"], found["port"])
