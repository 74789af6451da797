"""Small pictures, folders of them, and a source that a test makes up."""

from __future__ import annotations

import contextlib
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from pixmill.fetch import Fetched, Refused
from pixmill.params import ScrapeParams
from pixmill.scrape import scrape
from pixmill.scrape.candidate import Candidate, Query


def picture(seed: int, kind: str = "PNG") -> bytes:
    """Return a small picture of noise, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
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


class Invented:
    """A source on the web whose answers and pictures a test makes up, and which counts what it is asked."""

    name = "invented"
    is_web = True

    def __init__(self, answers, contents):
        self.answers, self.contents = answers, contents
        self.asked, self.fetched = [], []

    def fingerprint(self):
        return "invented"

    def queries(self, classes):
        return [Query(label, label, f"http://invented.test/?q={label}") for label in classes]

    def search(self, query):
        self.asked.append(query.label)
        for rank, answer in enumerate(self.answers[query.label]):
            if isinstance(answer, Exception):
                raise answer
            yield Candidate(query.label, query.text, rank, answer, page_url=query.address)

    def reader(self, _limits):
        return contextlib.nullcontext(self)

    async def fetch(self, url):
        self.fetched.append(url)
        content = self.contents.get(url, Refused("http_404"))
        return content if isinstance(content, Refused) else Fetched(content, url)

    async def permitted(self, url):
        return self.contents.get(url)


@pytest.fixture
def invented():
    return Invented


@pytest.fixture(name="picture")
def picture_fixture():
    return picture


@pytest.fixture(name="tree")
def tree_fixture():
    return tree


@pytest.fixture
def data(tmp_path):
    """A folder of two classes, thirty pictures each."""
    folder = tmp_path / "data"
    for number, label in enumerate(("boot", "hat")):
        (folder / label).mkdir(parents=True)
        for place in range(30):
            (folder / label / f"{place:03}.png").write_bytes(picture(100 * number + place))
    return folder


@pytest.fixture
def output(tmp_path):
    return tmp_path / "artifacts" / "scrape"


@pytest.fixture
def run(data, output, tmp_path):
    """Scrape the folder's classes, or others, into the output."""

    def run(classes=("boot", "hat"), **params):
        given = {"source": "folder", "snapshot": "2026-11-20"} | params
        return scrape(
            classes, ScrapeParams(**given), data=data, output=output, scratch=tmp_path / ".pixmill" / "scrape"
        )

    return run
