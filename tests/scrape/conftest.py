"""Small images, folders of them, a web server, and ways to scrape from both."""

import asyncio
import contextlib
import dataclasses
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from pixmill.core.params import ScrapeParams
from pixmill.fetch import FetchLimits
from pixmill.fetch.fetcher import Fetcher
from pixmill.scrape.candidate import Sighting
from pixmill.scrape.collection import run as stage
from pixmill.scrape.collection.access import NetworkAccess
from pixmill.scrape.collection.collector import Collector, Judge
from pixmill.scrape.collection.crawl import Crawl
from pixmill.scrape.collection.run import Harvest, scrape
from pixmill.scrape.collection.searches import FailedSearch, plan_searches
from pixmill.scrape.journal import ImageStore, Journal
from pixmill.scrape.sources.source_list import OpenSources
from tests.scrape.invented import Invented, Web


def image(seed, kind="PNG", side=16):
    """Return a small image of random noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def tree(folder):
    """Return the digest of each file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclasses.dataclass(frozen=True)
class Found:
    """The sightings and failed searches of a crawl, in order."""

    sightings: list[Sighting]
    failed: list[FailedSearch]

    @property
    def reasons(self):
        """The reason for each refused candidate; empty for the others."""
        return [sighting.refused.reason if sighting.refused else "" for sighting in self.sightings]

    @property
    def urls(self):
        return [sighting.candidate.image_url for sighting in self.sightings]

    @property
    def failure(self):
        """The kind of the first failure, or ``None``."""
        return self.failed[0].failure if self.failed else None


@pytest.fixture
def invented():
    return Invented


@pytest.fixture(name="image")
def image_fixture():
    return image


@pytest.fixture(name="tree")
def tree_fixture():
    return tree


@pytest.fixture
def web():
    with Web() as web:
        yield web


@pytest.fixture
def hats(web):
    """URLs of ten images."""
    return web.show(*(image(seed) for seed in range(10)))


@pytest.fixture
def data(tmp_path):
    """A folder of two classes with thirty images each."""
    folder = tmp_path / "data"
    for number, label in enumerate(("boot", "hat")):
        (folder / label).mkdir(parents=True)
        for place in range(30):
            (folder / label / f"{place:03}.png").write_bytes(image(100 * number + place))
    return folder


@pytest.fixture
def output(tmp_path):
    return tmp_path / "artifacts" / "scrape"


@pytest.fixture
def crawl(web, tmp_path):
    """Crawl sources in a new run; the journal and the images persist between calls."""

    def crawl(*sources, classes=("hat",), connections=1, attempts=1, **given):
        given = {"snapshot": "2026-11-20", "expect_at_least": 0} | given
        params = ScrapeParams(source=tuple(source.name for source in sources), **given)
        searches = plan_searches(classes, params, {source.name: source for source in sources})
        output = ImageStore(tmp_path / "images")
        with Journal(tmp_path / "journal", params) as journal:
            judge = Judge(journal, params)

            async def within():
                limits = FetchLimits(connections=connections, attempts=attempts)
                async with Fetcher(limits, network=web.network) as fetcher:
                    collector = Collector(fetcher, journal, judge, connections=connections)
                    access = NetworkAccess(fetcher, web.network, tmp_path / ".pixmill" / "scrape")
                    with contextlib.closing(access):
                        return await Crawl(access, journal, collector, params).run(searches)

            failed = asyncio.run(within())
            return Found(
                [sighting for _, sighting in Harvest(searches, journal, judge, output, params)],
                failed,
            )

    return crawl


@pytest.fixture
def run(data, output, tmp_path):
    """Scrape classes into the output."""

    def run(classes=("boot", "hat"), network=None, unlabelled=None, **params):
        given = {"source": "folder", "snapshot": "2026-11-20"} | params
        scratch = tmp_path / ".pixmill" / "scrape"
        return scrape(
            classes,
            ScrapeParams(**given),
            root=data.parent,
            output=output,
            scratch=scratch,
            network=network,
            unlabelled=unlabelled,
        )

    return run


@pytest.fixture
def visit(run, web, monkeypatch):
    """Scrape from fake sources."""

    def visit(*sources, classes=("hat",), **params):
        by_name = {source.name: source for source in sources}

        @contextlib.contextmanager
        def open_sources(names, *_, **__):
            yield OpenSources({name: by_name[name] for name in names}, {})

        monkeypatch.setattr(stage, "open_sources", open_sources)
        given = {"source": tuple(by_name), "expect_at_least": 0, "rate": None} | params
        return run(classes, web.network, **given)

    return visit
