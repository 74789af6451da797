"""A real web server on loopback that misbehaves on request, and a fetcher that knows it by name."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp import web

from pixmill.fetch import Fetcher, Limits

NAME = "pictures.test"


class Site:
    """Serve what a test puts into ``answers`` by path, 404 elsewhere.

    An answer is a body, a tuple of body, headers and status, or a coroutine function that makes a response.
    """

    def __init__(self):
        self.answers = {}
        self.requests = []
        self.port = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def paths(self):
        return [request.path for request in self.requests]

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request):
        self.requests.append(request)
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=404)
        return await answer(request) if callable(answer) else answer_of(answer)


def answer_of(content):
    """Return a fresh response, since aiohttp sends each only once."""
    content = content if isinstance(content, tuple) else (content,)
    body, headers, status = (*content, *(b"", {}, 200)[len(content) :])
    return web.Response(body=body, headers=headers, status=status)


@pytest.fixture
def site():
    with Site() as site:
        yield site


@pytest.fixture
def fetch(site):
    """Fetch one path of the site, or several at once, or a whole URL."""

    def run(*urls, hosts=None, **limits):
        async def together():
            async with Fetcher(Limits(**limits), hosts={NAME: site.port} if hosts is None else hosts) as fetcher:
                return await asyncio.gather(
                    *(fetcher.fetch(f"http://{NAME}{url}" if url.startswith("/") else url) for url in urls)
                )

        outcomes = asyncio.run(together())
        return outcomes[0] if len(outcomes) == 1 else outcomes

    return run
