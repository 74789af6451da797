"""Who downloads, and what one node's process does; a whole cluster does so in tests/cluster."""

import asyncio
import pickle
from functools import partial

import pytest
from yarl import URL

from pixmill.scrape.collection import node_downloads
from pixmill.scrape.collection.node_downloads import NodeDownloads
from pixmill.scrape.image_store import ImageStore, StoredImage
from pixmill.web.fetch import Fetched, FetchLimits, Network, Refused
from pixmill.web.fetch.exchange import Request
from tests.scrape.invented import HOST, url_of

IMAGE = Request("image/*", 100_000, store=lambda fetched: fetched)


@pytest.fixture
def ask(tmp_path):
    def ask(url, here=()):
        async def within():
            async with NodeDownloads(tmp_path / "pictures", FetchLimits(), None, Network(), frozenset(here)) as nodes:
                return await nodes.ask(URL(url), IMAGE, 5.0)

        return asyncio.run(within())

    return ask


def test_without_a_cluster_this_machine_downloads(ask):
    assert ask("http://hats.test/1.jpg") is None


def test_what_only_this_machine_reaches_starts_no_cluster(ask, monkeypatch):
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://localhost:9")
    assert ask("http://intranet.test:8080/1.jpg", here={"intranet.test"}) is None


class Apart:
    """A cluster whose nodes see nothing of this machine."""

    address = "ray://head.test:10001"

    def sees(self, folder, *, writable):
        return not (writable and folder.is_dir())


def test_where_nodes_cannot_write_to_the_folder_this_machine_downloads(ask, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(node_downloads, "choose_cluster", Apart)
    assert ask("http://hats.test/1.jpg") is None
    line = f"this machine downloads: not all nodes of ray://head.test:10001 can write to {tmp_path / 'pictures'}"
    assert capsys.readouterr().err == f"Scrape: {line}\n"


def test_hosts_are_spread_over_the_nodes_and_stay_there():
    owners = [node_downloads._owner("abc", f"host{number}.test") for number in range(300)]
    assert owners == [node_downloads._owner("abc", f"host{number}.test") for number in range(300)]
    assert min(owners.count(node) for node in "abc") > 60


def store(fetched, *, images):
    image = StoredImage.of(fetched.content)
    images.add(image, fetched.content)
    return Fetched(b"", fetched.url)


@pytest.fixture
def answers(web):
    """What the process of a node answers to some requests."""

    def answers(*requests):
        async def within():
            node = node_downloads._Downloads(FetchLimits(), web.network, None)
            rows = [(number, URL(url), request, 5.0) for number, (url, request) in enumerate(requests)]
            await node.begin(pickle.loads(pickle.dumps(rows)))
            found = {}
            while len(found) < len(rows):
                found |= dict(await node.wait_for_answers())
            await node._exchange.__aexit__(None, None, None)
            return [found[number] for number in range(len(rows))]

        return asyncio.run(within())

    return answers


def test_a_node_stores_what_comes_and_tells_the_rest(answers, hats, tmp_path, image):
    storing = Request("image/*", 100_000, store=partial(store, images=ImageStore(tmp_path)))
    (found, _), (refused, _) = answers((hats[3], storing), (url_of("gone"), storing))
    assert found == Fetched(b"", hats[3])
    assert refused == Refused("http_404")
    assert ImageStore(tmp_path).holds(StoredImage.of(image(3)))


def test_a_node_that_cannot_store_says_why(answers, hats, tmp_path):
    (tmp_path / "file").touch()
    storing = Request("image/*", 100_000, store=partial(store, images=ImageStore(tmp_path / "file")))
    (error,) = answers((hats[0], storing))
    assert isinstance(error, NotADirectoryError)


def test_a_node_reaches_no_address_that_is_not_public(answers, web):
    (refused, _), (served, _) = answers(
        (f"http://127.0.0.1:{web.port}/", Request("*/*", 9)), (f"http://{HOST}/", Request("*/*", 9))
    )
    assert (refused.reason, served.reason) == ("private_address", "http_404")
