"""A plain client that asks the replicas, for their own tests."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from pixmill.web.fetch.values import Network
from tests.scrape.replicas.world import World

__all__ = ["Answer", "get"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold a status, the headers, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def get(world: World, url: str, *, method: str = "GET", **options: Any) -> Answer:
    """Return the answer to one request; redirects are not followed.

    Args:
        world: Where the address is served.
        url: The address.
        method: The HTTP method.
        options: What `aiohttp.ClientSession.request` takes besides.
    """

    async def ask() -> Answer:
        trust = ssl.create_default_context(cafile=world.network.authority)
        connector = aiohttp.TCPConnector(resolver=_Mapped(world.network), ssl=trust, use_dns_cache=False)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session,
            session.request(method, url, allow_redirects=False, **options) as answer,
        ):
            return Answer(answer.status, answer.headers, await answer.read())

    return asyncio.run(ask())


class _Mapped(aiohttp.abc.AbstractResolver):
    """Resolve the names of a network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
        mapped = self._network.served[f"{host}:{port}"]
        return [{"hostname": host, "host": "127.0.0.1", "port": mapped, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Keep nothing open."""
