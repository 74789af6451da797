"""Fetching URLs: rate per client, and memory."""

import asyncio
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pixmill.fetch import Network, Refused
from pixmill.local.problems import ProblemError
from pixmill.serve.http.url_fetcher import UrlFetcher


def test_an_ipv6_network_counts_as_one_client() -> None:
    async def ask() -> None:
        for client in ("2001:db8:0:1::1", "2001:db8:0:2::1", "192.0.2.1"):
            (refused,) = await fetcher.fetch(client, ["http://127.0.0.1/"], print)
            assert isinstance(refused, Refused)
        with pytest.raises(ProblemError) as caught:
            await fetcher.fetch("2001:db8:0:1:ffff::2", ["http://127.0.0.1/"], print)
        assert caught.value.status == 429

    fetcher = UrlFetcher(1, 1000)
    asyncio.run(ask())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_fetched_bytes_are_counted(tmp_path: Path) -> None:
    def hold(size: int) -> None:
        held.append(size)
        if sum(held) > 5000:
            raise ProblemError(503, "too much")

    held: list[int] = []
    (tmp_path / "a.png").write_bytes(bytes(3000))
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fetcher = UrlFetcher(10, 4000, Network(served={"images.test:80": server.server_port}))
        assert asyncio.run(fetcher.fetch("a", ["http://images.test/a.png"], hold)) == [bytes(3000)]
        with pytest.raises(ProblemError, match="too much"):
            asyncio.run(fetcher.fetch("a", ["http://images.test/a.png"] * 2, hold))
        server.shutdown()
    assert held == [3000] * 3
