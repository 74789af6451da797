"""Upper bound: aiohttp without guard, rate limits, journal or checks; one file per image."""

import asyncio
from pathlib import Path

import aiohttp
from work import arguments, timed, urls

options = arguments()
folder = Path(options.folder)


async def collect() -> None:
    pending = iter(enumerate(urls(options.port, options.count)))
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=options.connections)
    ) as session:

        async def work() -> None:
            for number, url in pending:
                async with session.get(url) as response:
                    content = await response.read()
                (folder / f"{number}.jpg").write_bytes(content)

        await asyncio.gather(*(work() for _ in range(options.connections)))


timed(lambda: asyncio.run(collect()))
