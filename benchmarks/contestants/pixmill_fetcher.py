"""Pixmill's guarded fetcher with robots.txt and rate limits; one file per image, named by its hash."""

import asyncio
import hashlib
from pathlib import Path

from work import arguments, timed

from pixmill.fetch import Fetched, FetchLimits, Network, Politeness
from pixmill.fetch.fetcher import Fetcher

options = arguments()
folder = Path(options.folder)


async def collect() -> None:
    limits = FetchLimits(connections=options.connections, per_host=options.connections)
    network = Network(served={"images.test:80": options.port})
    pending = iter(range(options.count))
    async with Fetcher(limits, Politeness(), network) as fetcher:

        async def work() -> None:
            for number in pending:
                received = await fetcher.fetch(f"http://images.test/{number}.jpg")
                if not isinstance(received, Fetched):
                    raise SystemExit(f"{number}.jpg: {received}")
                name = hashlib.sha256(received.content).hexdigest()
                (folder / f"{name}.jpg").write_bytes(received.content)

        await asyncio.gather(*(work() for _ in range(options.connections)))


timed(lambda: asyncio.run(collect()))
