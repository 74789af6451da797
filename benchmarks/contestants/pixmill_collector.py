"""Pixmill: the guarded fetcher with robots.txt, manners and journal; pictures named by their hash."""

import asyncio
from pathlib import Path

from work import arguments, timed

from pixmill.fetch import Fetcher, Limits, Manners, Network
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.collector import Collector
from pixmill.scrape.journal import Journal
from pixmill.scrape.ledger import Ledger
from pixmill.scrape.pictures import Pictures

told = arguments()
folder = Path(told.folder)
BATCH = 256


async def collect() -> None:
    limits = Limits(connections=told.connections, per_host=told.connections)
    network = Network(served={"pictures.test:80": told.port})
    pictures = Pictures(folder / "pictures")
    with Journal(folder / "journal.jsonl") as journal:
        async with Fetcher(limits, Manners(), network) as fetcher:
            ledger = Ledger(journal, [pictures], licences=None, thumbnails=True)
            collector = Collector(fetcher, ledger, journal, pictures, connections=told.connections)
            pending: list[asyncio.Task[None]] = []
            for start in range(0, told.count, BATCH):
                candidates = [
                    Candidate("picture", None, number, f"http://pictures.test/{number}.jpg")
                    for number in range(start, min(start + BATCH, told.count))
                ]
                pending.append(asyncio.create_task(collector.collect("urls", "", candidates, lambda _: None)))
                if len(pending) > 4:
                    await pending.pop(0)
            await asyncio.gather(*pending)


timed(lambda: asyncio.run(collect()))
