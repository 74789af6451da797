"""The bare limit: aiohttp alone, without guard, rules, journal or any check; one file an image."""

import asyncio
from pathlib import Path

import aiohttp
from work import arguments, timed, urls

told = arguments()
folder = Path(told.folder)


async def collect() -> None:
    pending = iter(enumerate(urls(told.port, told.count)))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=told.connections)) as session:

        async def work() -> None:
            for number, url in pending:
                async with session.get(url) as response:
                    content = await response.read()
                (folder / f"{number}.jpg").write_bytes(content)

        await asyncio.gather(*(work() for _ in range(told.connections)))


timed(lambda: asyncio.run(collect()))
