"""Downloads on the nodes of a Ray cluster: the outcome of one machine, its politeness, and nothing lost with a node."""

import asyncio
import collections
import csv
import os
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import psutil
import pytest
from aiohttp import web

from pixmill.core.params import ScrapeParams
from pixmill.scrape import scrape
from pixmill.scrape.journal import Journal
from pixmill.web.fetch import Network
from tests.scrape.conftest import image, tree
from tests.web.fetch.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.services]

HOSTS = [f"h{number}.test" for number in range(16)]
EACH = 4
"""Images of each host."""


class Hosts(Site):
    """Several hosts on one port, which note what they are asked for, and how often at once."""

    def __init__(self):
        super().__init__()
        self.seconds = 0.0
        self.starts = collections.defaultdict(list)
        self.most = collections.Counter()
        self._now = collections.Counter()
        refused = b"User-agent: *\nDisallow: /private"
        self.answers = {"/robots.txt": refused, "/page": b"<!doctype html>"}
        self.answers |= {f"/{number}.png": image(number) for number in range(EACH * len(HOSTS))}
        self.answers |= {"/moved.png": (b"", {"Location": f"http://{HOSTS[0]}/0.png"}, 302)}
        self.answers |= {"/moved-private.png": (b"", {"Location": f"http://{HOSTS[0]}/private.png"}, 302)}

    def images(self):
        """Return the addresses of images that were asked for."""
        return [url for url in list(self.starts) if url.endswith(".png")]

    async def _answer(self, request):
        self.starts[str(request.url)].append(time.monotonic())
        self._now[request.host] += 1
        self.most[request.host] = max(self.most[request.host], self._now[request.host])
        try:
            if request.path.endswith(".png"):
                await asyncio.sleep(self.seconds)
            return await super()._answer(request)
        finally:
            self._now[request.host] -= 1


@pytest.fixture
def hosts():
    with Hosts() as hosts:
        yield hosts


def listed():
    """Return the rows of a list of URLs, with all that may become of them."""
    rows = [[f"http://{HOSTS[n % len(HOSTS)]}/{n}.png", ""] for n in range(EACH * len(HOSTS))]
    for host in HOSTS[1:4]:
        rows += [[f"http://{host}/{path}", ""] for path in ("moved.png", "moved-private.png", "private.png", "page")]
    return [*rows, [f"http://{HOSTS[1]}/2.png", "0" * 32], ["http://127.0.0.1:9/x.png", ""]]


PARAMS = {"source": "urls", "snapshot": "2026-11-20", "urls": {"files": ["list.csv"]}, "per_host": 2}


def download(root, port, **params):
    """Scrape the list in a project of its own; return its outputs."""
    root.mkdir(exist_ok=True)
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["url", "md5", "label"], *([*row, "hat"] for row in listed())])
    given = ScrapeParams(**PARAMS | {"rate": None} | params)
    network = Network(served={f"{host}:80": port for host in HOSTS})
    output = root / "artifacts" / "scrape"
    result = scrape(["hat"], given, root=root, output=output, scratch=root / ".pixmill" / "scrape", network=network)
    result.manifest.to_parquet(output / "manifest.parquet")
    return tree(output)


@pytest.fixture
def local(hosts, tmp_path):
    """The outputs of this machine alone; the hosts have forgotten it."""
    outputs = download(tmp_path / "local", hosts.port)
    hosts.starts.clear()
    hosts.most.clear()
    return outputs


def test_the_outcome_and_the_manners_are_those_of_one_machine(hosts, local, cluster, tmp_path):
    hosts.seconds = 0.05
    assert download(tmp_path / "cluster", hosts.port, rate=20) == local
    assert not [url for url in hosts.starts if url.endswith("/private.png")]
    assert set(hosts.most) == set(HOSTS)
    assert max(hosts.most.values()) <= 2
    for host in HOSTS:
        times = sorted(at for url, starts in hosts.starts.items() if f"//{host}/" in url for at in starts)
        assert times[-1] - times[0] >= (len(times) - 1) / 20 * 0.9


def test_nodes_download_and_this_process_does_not(hosts, cluster, tmp_path):
    ours = []

    async def note(request):
        mine = {each.laddr.port for each in psutil.Process().net_connections("tcp")}
        ours.append(request.transport.get_extra_info("peername")[1] in mine)
        return web.Response(body=image(1))

    hosts.answers |= {f"/{number}.png": note for number in range(EACH * len(HOSTS))}
    download(tmp_path / "cluster", hosts.port)
    assert len(ours) >= EACH * len(HOSTS)
    assert not any(ours)


def test_what_a_lost_node_had_begun_is_fetched_again(ray_cluster, hosts, local, added, tmp_path, capfd):
    hosts.seconds = 0.8
    lost = added()

    def lose():
        # Once all hosts are asked, so are all nodes.
        while len({urlsplit(url).hostname for url in hosts.images()}) < len(HOSTS):
            time.sleep(0.02)
        ray_cluster.kill_node(lost)

    threading.Thread(target=lose, daemon=True).start()
    assert download(tmp_path / "cluster", hosts.port) == local
    assert f"ray: node {ray_cluster.ip(lost)}, or its process, was lost" in capfd.readouterr().err
    assert max(len(starts) for url, starts in hosts.starts.items() if "/0.png" not in url) <= 2


RUN = """
import sys, pathlib
from tests.cluster.test_downloads import download
download(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
"""


def test_a_killed_run_goes_on_where_it_was(hosts, local, cluster, tmp_path):
    hosts.seconds = 0.3
    root = tmp_path / "cluster"
    with subprocess.Popen([sys.executable, "-c", RUN, str(root), str(hosts.port)], env=os.environ) as process:
        while len(hosts.images()) < 3 * len(HOSTS):  # more than are asked for at once
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    params = ScrapeParams(**PARAMS)
    with Journal(root / ".pixmill" / "scrape" / "journal", params) as journal:
        kept = {url for url, md5 in listed() if journal.outcome(f"\0{md5}\0{url}") is not None}
    kept.discard(f"http://{HOSTS[0]}/0.png")  # others are redirected to it
    assert kept
    time.sleep(1.0)  # the nodes end what they had begun
    hosts.starts.clear()
    assert download(root, hosts.port) == local
    assert kept.isdisjoint(hosts.images())
