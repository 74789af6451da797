"""Let connections out to public addresses only, and to the few names that this process serves itself."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pixmill.fetch.address import is_public

__all__ = ["Forbidden", "Guard"]

_LOOPBACK = "127.0.0.1"


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
        hosts: Names that are served on loopback by this process, each with its port. They are reached as
            ``http://<name>/`` and by no other port or scheme.
    """

    def __init__(self, hosts: Mapping[str, int] | None = None) -> None:
        self._hosts = dict(hosts or {})

    def check(self, url: URL) -> None:
        """Refuse a URL whose host is a literal address that is not public.

        Raises:
            Forbidden: It is one.
        """
        host = (url.host or "").rstrip(".")
        try:
            ip_address(host)
        except ValueError:
            return  # a name, or an odd spelling of an address, which the resolver sees next
        self._check_address(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, unless one of them is not public.

        Raises:
            Forbidden: An address of the host is not public.
            OSError: The host has no address.
        """
        if host in self._hosts:
            if port != 80:
                raise Forbidden(f"{host} is served on port 80 only, not on {port}")
            return [_result(host, _LOOPBACK, self._hosts[host], socket.AF_INET)]
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(kind, sockaddr[0]) for kind, _, _, _, sockaddr in found]
        for _, address in addresses:
            self._check_address(str(address))
        return [_result(host, str(address), port, kind) for kind, address in addresses]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for a connection that is about to be made, as ``TCPConnector(socket_factory=…)`` wants it.

        Args:
            info: Family, type, protocol, name and socket address, as ``socket.getaddrinfo`` gives them.

        Raises:
            Forbidden: The address is not public.
        """
        family, kind, protocol, _, (address, port, *_) = info
        if not (address == _LOOPBACK and port in self._hosts.values()):
            self._check_address(address)
        return socket.socket(family, kind, protocol)

    @staticmethod
    def _check_address(address: str) -> None:
        if not is_public(address):
            raise Forbidden(f"{address} is not a public address")


def _result(name: str, address: str, port: int, family: int) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=name, host=address, port=port, family=family, proto=0, flags=flags)
