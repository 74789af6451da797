"""Run the service with uvicorn: open the model, listen, and end in order."""

import errno
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from pixmill.core.errors import PixmillError
from pixmill.serve.http.app import create_app
from pixmill.serve.http.models import Models
from pixmill.serve.http.settings import Settings
from pixmill.web.bounded_request import HEAD_BYTES
from pixmill.web.fetch import Network

_IDLE_SECONDS, _GRACE_SECONDS = 5, 25
"""How long a connection may be idle between requests, and how long requests may take to end at SIGTERM."""

_CONNECTIONS = 256
"""Connections that are served; further ones are told 503."""


def run(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    network: Network | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, which let requests finish that were taken.

    Args:
        settings: What a person may set.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        ready: Called with the URL once requests are answered.
        network: What the URL route may reach beside the public internet; nothing by default.

    Raises:
        PixmillError: There is no such model, it fails its check, the port is taken, or the inbox cannot be used.
    """
    _log()
    with _listen(host, port) as listener:
        models = Models(settings)
        # Before the model is loaded: an inbox that cannot be used is known at once, too.
        app = create_app(settings, models, network)
        models.open()
        try:
            config = uvicorn.Config(
                app,
                http="h11",
                h11_max_incomplete_event_size=HEAD_BYTES,
                limit_concurrency=_CONNECTIONS,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                # uvloop accepts one connection per turn: hundreds of busy clients would keep newcomers out.
                loop="asyncio",
                backlog=512,
                lifespan="on",
            )
            _Server(config, lambda: ready(_url(listener)) if ready else None).run([listener])
        finally:
            models.close()


class _Server(uvicorn.Server):
    """Tell once requests are answered."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, before the model is loaded: a port that is taken is known at once."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named, asyncio sends without delay (TCP_NODELAY).
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise PixmillError(f"{host} is not an address of this machine: {error}", next="pixmill serve") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        advice = "--port 0, which takes a free one" if error.errno == errno.EADDRINUSE else "--host 127.0.0.1"
        raise PixmillError(
            f"cannot listen on {host}:{port}: {error.strerror}", next=f"pixmill serve {advice}"
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _log() -> None:
    """Write warnings and the news of the model to standard error, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("pixmill.serve", logging.INFO), ("uvicorn", logging.ERROR)):
        logger: Any = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
