"""A web server on loopback with programmable answers, and a fetcher that reaches it by name."""

import asyncio
import socket
import threading

import pytest
from aiohttp import web

from pixmill.fetch import FetchLimits, Network
from pixmill.fetch.fetcher import Fetcher
from tests.certificates import Authority
from tests.connections import ConnectionServer
from tests.fetch.inner import Trap

NAME = "images.test"


class Site:
    """Serve the ``answers`` of a test by path, and 404 elsewhere.

    An answer is a body, a tuple of body, headers and status, or a coroutine function that returns a
    response.
    """

    def __init__(self, tls=None):
        self.answers = {}
        self.requests = []
        self.port = None
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    def network(self, *keys):
        """Return a network in which the site is served under its name and other origins."""
        return Network(served=dict.fromkeys((f"{NAME}:80", *keys), self.port))

    def paths(self):
        return [request.path for request in self.requests]

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = ConnectionServer(self._answer, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listening.getsockname()[1]
        await web.SockSite(runner, listening, ssl_context=self._tls).start()
        self._ready.set()
        await self._stop.wait()
        await server.end(runner, listening)

    async def _answer(self, request):
        self.requests.append(request)
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=404)
        return await answer(request) if callable(answer) else answer_of(answer)


def answer_of(content):
    """Return a new response, since aiohttp sends each only once."""
    content = content if isinstance(content, tuple) else (content,)
    body, headers, status = (*content, *(b"", {}, 200)[len(content) :])
    return web.Response(body=body, headers=headers, status=status)


@pytest.fixture
def site():
    with Site() as site:
        yield site


@pytest.fixture
def trap():
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority for tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure_site(authority):
    """A site with a certificate for its own name only."""
    with Site(authority.context([NAME])) as site:
        yield site


@pytest.fixture
def names(monkeypatch):
    """Addresses by name, which replace DNS; a callable is evaluated for each lookup."""
    table = {}

    def getaddrinfo(host, port, *_, **__):
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        addresses = table[host]() if callable(table[host]) else table[host]
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port))
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def use(site):
    """Return a function that opens a fetcher and runs a coroutine function with it."""

    def run(play, *, politeness=None, network=None, **limits):
        async def within():
            async with Fetcher(
                FetchLimits(**limits), politeness, network or site.network()
            ) as fetcher:
                return await play(fetcher)

        return asyncio.run(within())

    return run


@pytest.fixture
def fetch(use):
    """Return a function that fetches URLs or paths of the site concurrently."""

    def run(*urls, **settings):
        async def together(fetcher):
            whole = (f"http://{NAME}{url}" if url.startswith("/") else url for url in urls)
            return await asyncio.gather(*(fetcher.fetch(url) for url in whole))

        outcomes = use(together, **settings)
        return outcomes[0] if len(outcomes) == 1 else outcomes

    return run


@pytest.fixture
def wire(monkeypatch):
    """Addresses of other machines to which connections were attempted and refused."""
    noted = []
    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def sock_connect(loop, opened, address):
        if address[0] not in ("127.0.0.1", "::1"):
            noted.append(address[0])
            raise ConnectionRefusedError
        return await connect(loop, opened, address)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect)
    return noted
