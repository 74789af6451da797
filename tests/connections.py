"""An aiohttp server that closes all connections at its end."""

import asyncio
import socket
import weakref
from typing import Any

from aiohttp import web

__all__ = ["ConnectionServer"]

_LOOP_TURNS = 5
"""Turns of the event loop until a connection has its transport, or an aborted one lost it."""


class ConnectionServer(web.Server):
    """Server that keeps track of all connections, including those without a request."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._transports.add(transport)

    async def end(self, runner: web.ServerRunner, *listening: socket.socket) -> None:
        """Stop accepting connections, finish the requests, and abort all connections.

        asyncio loses connections that it accepts while the server stops, and aiohttp keeps
        connections open that still have data for a client that no longer reads.

        Args:
            runner: Runner of this server.
            listening: Listening sockets.
        """
        for each in listening:
            asyncio.get_running_loop().remove_reader(each)
        await _turn()
        await runner.cleanup()
        for transport in set(self._transports):
            transport.abort()
        await _turn()


async def _turn() -> None:
    for _ in range(_LOOP_TURNS):
        await asyncio.sleep(0)
