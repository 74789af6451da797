"""An aiohttp server that leaves no connection open, whatever it is at."""

import asyncio
import socket
import weakref
from typing import Any

from aiohttp import web

__all__ = ["ConnectionServer"]

_TURNS = 5
"""Rounds of the event loop in which an accepted connection gets its transport, or one that is ended loses it."""


class ConnectionServer(web.Server):
    """Remember every connection, also those on which nothing was asked yet."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._transports.add(transport)

    async def end(self, runner: web.ServerRunner, *listening: socket.socket) -> None:
        """Accept nobody any more, let the requests end, then end all connections.

        asyncio drops a connection that was accepted as it stops to listen, and aiohttp leaves open those that still
        have something to say to a client which listens no more.

        Args:
            runner: What runs this server.
            listening: The sockets on which it listens.
        """
        for each in listening:
            asyncio.get_running_loop().remove_reader(each)
        await _turn()
        await runner.cleanup()
        for transport in set(self._transports):
            transport.abort()
        await _turn()


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
