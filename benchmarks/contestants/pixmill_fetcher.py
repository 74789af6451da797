"""Pixmill's guarded fetcher, with robots.txt and manners; one file an image, named by its hash."""

import asyncio
import hashlib
from pathlib import Path

from work import arguments, timed

from pixmill.web.fetch import Fetched, Fetcher, FetchLimits, Network, Politeness

told = arguments()
folder = Path(told.folder)


async def collect() -> None:
    limits = FetchLimits(connections=told.connections, per_host=told.connections)
    network = Network(served={"images.test:80": told.port})
    pending = iter(range(told.count))
    async with Fetcher(limits, Politeness(), network) as fetcher:

        async def work() -> None:
            for number in pending:
                received = await fetcher.fetch(f"http://images.test/{number}.jpg")
                if not isinstance(received, Fetched):
                    raise SystemExit(f"{number}.jpg: {received}")
                name = hashlib.sha256(received.content).hexdigest()
                (folder / f"{name}.jpg").write_bytes(received.content)

        await asyncio.gather(*(work() for _ in range(told.connections)))


timed(lambda: asyncio.run(collect()))
