"""Pixmill's collector: guarded fetcher with robots.txt, rate limits and journal; images named by their hash."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from work import arguments, timed

from pixmill.core.params import ScrapeParams
from pixmill.fetch import FetchLimits, Network, Politeness
from pixmill.fetch.fetcher import Fetcher
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.collection.collector import Collector, Judge
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.journal import Journal

options = arguments()
folder = Path(options.folder)
BATCH = 256


async def collect() -> None:
    limits = FetchLimits(connections=options.connections, per_host=options.connections)
    network = Network(served={"images.test:80": options.port})
    search = Search(SimpleNamespace(name="urls"), Query("image", None, "a list"), "")
    params = ScrapeParams(snapshot="2026-11-20")
    with Journal(folder, params) as journal:
        async with Fetcher(limits, Politeness(), network) as fetcher:
            judge = Judge(journal, params)
            collector = Collector(fetcher, journal, judge, connections=options.connections)
            pending: list[asyncio.Task[None]] = []
            for start in range(0, options.count, BATCH):
                candidates = [
                    Candidate("image", None, number, f"http://images.test/{number}.jpg")
                    for number in range(start, min(start + BATCH, options.count))
                ]
                pending.append(
                    asyncio.create_task(collector.collect(search, candidates, lambda _: None))
                )
                if len(pending) > 4:
                    await pending.pop(0)
            await asyncio.gather(*pending)


timed(lambda: asyncio.run(collect()))
