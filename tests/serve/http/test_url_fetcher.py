"""Fetching URLs: rate per client, and memory."""

import asyncio
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pixmill.fetch import Network
from pixmill.local.problems import ProblemError
from pixmill.serve.http.url_fetcher import UrlFetcher


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
