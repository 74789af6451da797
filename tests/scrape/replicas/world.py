"""A web of replicas: many host names, with and without TLS, on free ports of 127.0.0.1.

`World.results` has the ground truth, `World.switch` sets failure modes, and `World.log` has all
requests.
"""

import asyncio
import json
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from pixmill.fetch.values import Network
from tests.certificates import Authority
from tests.connections import ConnectionServer
from tests.scrape.replicas.cdn import Cdn
from tests.scrape.replicas.photos import DEAD_HOSTS, FAULTS, Fault, Photo, Photos, chance
from tests.scrape.replicas.site import Result, Site, moved
from tests.scrape.replicas.switchboard import MODES, Switchboard
from tests.scrape.replicas.visits import Log, Visit

__all__ = ["World", "read_network"]


class World:
    """Serve sites under their host names; a context manager.

    Args:
        sites: The sites; hosts of images are added.
        seed: Seed of images, orders and faults.
        pace: Factor of all delays.
        overlap: Share of results common to all sites for the same query.
        faults: Share of originals with each fault; an empty mapping for none.

    Attributes:
        images: The images of all sites.
        switchboard: The active modes.
        log: The requests so far.
        network: Network for a fetcher or proxy; set on entering.
        authority: Certificate authority of the sites; set on entering.
    """

    network: Network
    authority: Authority

    def __init__(
        self,
        *sites: Site,
        seed: int = 7,
        pace: float = 0.1,
        overlap: float = 0.0,
        faults: Mapping[Fault, float] = FAULTS,
    ) -> None:
        self.seed = seed
        self.pace = pace
        self.overlap = overlap
        self.images = Photos(seed, faults)
        self.switchboard = Switchboard()
        self.log = Log()
        self._sites: dict[str, Site] = {}
        self._by_host: dict[str, Site] = {}
        for site in (Cdn(), *sites):
            site.world = self
            self._sites[site.name] = site
            self._by_host |= dict.fromkeys(site.hosts, site)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="pixmill-replicas-")
        self.authority = Authority(Path(self._folder.name))
        plain = _listen(128)
        secure = _listen(128)
        self._closed = _listen(None)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="replicas", daemon=True)
        self._thread.start()
        self._listening = (plain, secure)
        self._runner = asyncio.run_coroutine_threadsafe(
            self._serve(plain, secure), self._loop
        ).result()
        ports = {80: _port(plain), 443: _port(secure)}
        served = {
            f"{host}:{port}": mapped for host in self._by_host for port, mapped in ports.items()
        }
        served |= {f"{host}:{port}": _port(self._closed) for host in DEAD_HOSTS for port in ports}
        self.network = Network(served=served, authority=self.authority.pem)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._closed.close()
        self._folder.cleanup()

    def switch(self, where: str, *modes: str, **options: Any) -> None:
        """Replace the modes of a site or host; without modes, it works normally.

        Args:
            where: Name of a site, or a host.
            modes: Names in `switchboard.MODES` or `Site.own_modes`.
            options: Options of the modes; see `switchboard.ANSWERS` and `switchboard.SHOWN`.

        Raises:
            ValueError: Unknown site, host or mode.
        """
        site = self._sites.get(where) or self._by_host.get(where)
        if site is None:
            raise ValueError(
                f"no site or host {where!r}; there are {', '.join(sorted(self._sites))}"
            )
        if unknown := set(modes) - MODES - site.own_modes:
            raise ValueError(
                f"no mode {', '.join(sorted(unknown))}; there are {', '.join(sorted(MODES))}"
            )
        self.switchboard.switch(where, *modes, **options)

    def results(self, site: str, query: str) -> tuple[Result, ...]:
        """Return all results of a site for a query, in order."""
        return self._sites[site].results(query)

    def shown(self, site: Site, query: str) -> list[Photo]:
        """Return the images of a site for a query, in order, with those common to all sites."""
        common = round(self.overlap * site.total)
        first = (1 + int(chance(site.name) * 900)) * 1_000_000
        numbers = [*range(common), *range(first, first + site.total - common)]
        numbers.sort(key=lambda number: chance(self.seed, site.name, query, number))
        return [Photo(query, number) for number in numbers]

    def describe(self) -> str:
        """Return the network as JSON, for `read_network` in another process."""
        return json.dumps(
            {"served": dict(self.network.served), "authority": str(self.network.authority)}
        )

    async def _serve(self, plain: socket.socket, secure: socket.socket) -> web.ServerRunner:
        self._server = ConnectionServer(self._answer, handler_cancellation=True)
        runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, plain).start()
        context = self.authority.context(sorted(self._by_host))
        await web.SockSite(runner, secure, ssl_context=context).start()
        return runner

    async def _stop(self) -> None:
        await self._server.end(self._runner, *self._listening)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.url.host or ""
        response: web.StreamResponse | None = None
        try:
            response = await self._dispatch(host, request)
        finally:
            size = (
                len(response.body)
                if isinstance(response, web.Response) and isinstance(response.body, bytes)
                else 0
            )
            self.log.add(
                Visit(
                    request.scheme,
                    request.method,
                    host,
                    request.path,
                    request.query_string,
                    response.status if response else 0,
                    size,
                    request.headers.get("User-Agent", ""),
                )
            )
        return response

    async def _dispatch(self, host: str, request: web.BaseRequest) -> web.StreamResponse:
        site = self._by_host.get(host)
        if site is None:
            return web.Response(status=421, text=f"{host} is not served here")
        if (answer := await self.switchboard.intercept(site, request)) is not None:
            return answer
        if site.has_tls and request.scheme == "http":
            return moved(str(request.url.with_scheme("https").with_port(None)), status=301)
        return await site.answer(request)


def read_network(text: str) -> Network:
    """Parse the result of `World.describe`."""
    values = json.loads(text)
    return Network(
        served=values["served"], authority=values["authority"] and Path(values["authority"])
    )


def _listen(backlog: int | None) -> socket.socket:
    """Bind a free port of 127.0.0.1; without a backlog it refuses connections."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", 0))
    if backlog is not None:
        taken.listen(backlog)
    return taken


def _port(taken: socket.socket) -> int:
    return int(taken.getsockname()[1])
