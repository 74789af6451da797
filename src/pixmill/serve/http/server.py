"""Run the service with uvicorn: listen, load the model, and shut down in order."""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixmill.core.errors import PixmillError
from pixmill.dataset.inbox import Inbox
from pixmill.fetch import Network
from pixmill.images.compute import default_workers
from pixmill.local.bounded_request import HEAD_BYTES
from pixmill.serve.http.admission import Admission
from pixmill.serve.http.api import Endpoints
from pixmill.serve.http.app import create_app
from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.models import Models
from pixmill.serve.http.quota import network_of
from pixmill.serve.http.schemas import MAX_BYTES
from pixmill.serve.http.url_fetcher import UrlFetcher

if TYPE_CHECKING:
    from pixmill.dataset.log_writer import PredictionLog

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Host names of this machine's loopback interface."""

_IDLE_TIMEOUT_SECONDS = 5
_SHUTDOWN_TIMEOUT_SECONDS = 25

_HEAD_TIMEOUT_SECONDS = 10
"""Time for the request line and headers to arrive; half-sent ones would occupy all connections."""

_MAX_CONNECTIONS = 256
"""Further connections are answered with 503."""

_MAX_CONNECTIONS_OF_ONE = 64
"""Further connections of one client are closed, since one alone would keep others out."""


@dataclass(frozen=True)
class Settings:
    """Settings of the service.

    Args:
        model: Name of the model, as for :func:`pixmill.serve.predict.model.find_model`; default:
            the one in production.
        root: Project folder; ``None`` outside of a project.
        workers: Processes that decode and predict; default: one per processor.
        held_bytes: Maximum size of all bodies in memory together.
        url_rate: URLs that each client may have fetched in a minute; 0: the service fetches no
            URLs.
        inbox: Folder of the feedback; ``None``: the service takes no feedback.
        inbox_bytes: Maximum size of the inbox.
        keys: API keys; empty: no key is needed.
        shared: Whether all but the page needs a key, also health checks and metrics.
        proxies: Addresses or networks of proxies, whose ``X-Forwarded-For`` names the client.
        hosts: Accepted names in ``Host``, against DNS rebinding; ``None`` accepts any, and shows no
            training images.
        poll: Seconds between two checks for a newer model; 0: no checks.
        log: Destination of a row for each prediction; ``None``: nothing is logged.
        shadow: Name of a second model, whose answers are only logged; ``None``: none.
    """

    model: str | None = None
    root: Path | None = None
    workers: int = field(default_factory=default_workers)
    held_bytes: int = 128 << 20
    url_rate: int = 10
    inbox: Path | None = None
    inbox_bytes: int = 1 << 30
    keys: tuple[str, ...] = ()
    shared: bool = False
    proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = LOOPBACK
    poll: float = 30
    log: "PredictionLog | None" = None
    shadow: str | None = None


def run(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    network: Network | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; accepted requests are finished first.

    Args:
        settings: Settings of the service.
        host: Address to listen on.
        port: Port; 0 for a free one.
        ready: Called with the URL once requests are answered.
        network: Addresses that URLs may reach in addition to the public internet; default: none.

    Raises:
        PixmillError: There is no such model, it fails its check, the port is taken, or the inbox
            cannot be used.
    """
    _configure_logging()
    with _listen(host, port) as listener:
        models = Models(
            settings.model,
            settings.root,
            workers=settings.workers,
            poll=settings.poll,
            log=settings.log,
            shadow=settings.shadow,
        )
        metrics = Metrics(models)
        # Created before the model is loaded: an inbox that cannot be used is reported at once.
        inbox = None if settings.inbox is None else Inbox(settings.inbox, settings.inbox_bytes)
        endpoints = Endpoints(
            models,
            metrics,
            root=settings.root,
            inbox=inbox,
            urls=UrlFetcher(settings.url_rate, MAX_BYTES, network) if settings.url_rate else None,
            keys=settings.keys,
            is_local=settings.hosts is not None,
            is_shared=settings.shared,
        )
        app = Admission(
            create_app(endpoints),
            metrics,
            held_bytes=settings.held_bytes,
            hosts=settings.hosts,
            behind_proxy=bool(settings.proxies),
            keys=settings.keys if settings.shared else (),
        )
        models.open()
        endpoints.loaded.warm()
        try:
            config = uvicorn.Config(
                app,
                http=_Protocol,
                h11_max_incomplete_event_size=HEAD_BYTES,
                limit_concurrency=_MAX_CONNECTIONS,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                timeout_keep_alive=_IDLE_TIMEOUT_SECONDS,
                timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_SECONDS,
                # uvloop accepts one connection per iteration: hundreds of busy clients would keep
                # newcomers out.
                loop="asyncio",
                backlog=512,
                lifespan="on",
            )
            _Server(config, lambda: ready(_url(listener)) if ready else None).run([listener])
        finally:
            models.close()


class _Protocol(H11Protocol):
    """Close connections whose request head takes too long, and those of a client with too many."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A proxy has one address for all clients.
        if self.client and not self.config.proxy_headers:
            self._network = network_of(self.client[0])
            networks = [getattr(each, "_network", "") for each in self.connections]
            if networks.count(self._network) > _MAX_CONNECTIONS_OF_ONE:
                self.connections.discard(self)  # It keeps nobody out until it is closed.
                transport.close()
                return
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(_HEAD_TIMEOUT_SECONDS, self.transport.close)
        if self.conn.their_state.__name__ != "IDLE":
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """Call a function once requests are answered."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket.

    It is bound before the model is loaded, so that a taken port is reported at once.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sets TCP_NODELAY only if the protocol is given.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise PixmillError(
            f"{host} is not an address of this machine: {error}", next="pixmill serve"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        advice = "--host 127.0.0.1"
        if error.errno == errno.EADDRINUSE:
            advice = "--port 0, which takes a free one"
        raise PixmillError(
            f"cannot listen on {host}:{port}: {error.strerror}", next=f"pixmill serve {advice}"
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _configure_logging() -> None:
    """Log warnings and model changes to standard error, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("pixmill.serve", logging.INFO), ("uvicorn", logging.ERROR)):
        logger: Any = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
