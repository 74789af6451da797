"""Remote driver, such as a browser in a container, and the connection to a driver."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from urllib3 import Retry, Timeout
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserError
from pixmill.web.browser.options import CHROMIUM, KINDS, BrowserKind

_CONNECT_TIMEOUT_SECONDS = 10.0
_ANSWER_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class RemoteDriver:
    """A remote driver and the kind of browser to request from it.

    Args:
        url: URL without credentials, such as ``http://127.0.0.1:4444``.
        kind: Kind of browser.
        login: User and password for HTTP basic authentication; default: none.
        proxy_port: Port of 127.0.0.1 on which the proxy listens, here and, through a tunnel, on the browser's machine;
            0 for any free port, with a driver on this machine.
    """

    url: str
    kind: BrowserKind = CHROMIUM
    login: tuple[str, str] | None = field(default=None, repr=False)
    proxy_port: int = 0


def choose_remote(environ: Mapping[str, str] = os.environ) -> RemoteDriver | None:
    """Return the remote driver from ``PIXMILL_WEBDRIVER_URL``, or ``None`` if the variable is not set.

    Args:
        environ: Environment variables. With a remote driver, ``PIXMILL_BROWSER`` must name a kind of browser.

    Raises:
        BrowserError: The URL or the kind is invalid.
    """
    text = environ.get("PIXMILL_WEBDRIVER_URL")
    if not text:
        return None
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        port = int(query.pop("proxy_port", "0"))
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if not is_address or query or not 0 <= port < 65536:
            raise ValueError
    except ValueError:
        raise BrowserError(
            "PIXMILL_WEBDRIVER_URL: expected a URL such as http://127.0.0.1:4444 or "
            f"http://browser:4444?proxy_port=8899, received '{text.rpartition('@')[2]}'",
            next="set it to the URL of a WebDriver server, or unset it to use a local browser",
        ) from None
    kind = KINDS.get((environ.get("PIXMILL_BROWSER") or "chrome").lower())
    if kind is None:
        raise BrowserError(
            "with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER must be a kind of browser, not a local file",
            next="set PIXMILL_BROWSER to chrome or firefox, or unset it",
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return RemoteDriver(url, kind, login, port)


def client_config(url: str, *, seconds: float, login: tuple[str, str] | None = None) -> ClientConfig:
    """Return a client configuration without a proxy and without read retries.

    Args:
        url: URL of the driver.
        seconds: Read timeout.
        login: User and password for HTTP basic authentication; default: none.
    """
    name, password = login or (None, None)
    return ClientConfig(
        remote_server_addr=url,
        # HTTP_PROXY does not apply to the driver.
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),
        timeout=Timeout(connect=_CONNECT_TIMEOUT_SECONDS, read=seconds),
        # By default urllib3 sends a request to a hanging driver four times, with the timeout each time.
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(3, read=False)}},
        username=name,
        password=password,
    )


def check_remote(remote: RemoteDriver) -> None:
    """Request the status of a remote driver.

    Raises:
        BrowserError: There is no valid response.
    """
    try:
        value = _ask(remote, "status").get("value")
    except HTTPError as error:
        value = str(getattr(error, "reason", error)).rpartition("] ")[2]
    if not isinstance(value, dict) or "ready" not in value:
        raise BrowserError(
            f"{remote.url}/status does not answer like a WebDriver server: {' '.join(str(value).split())[:200]}",
            next="start the driver, correct PIXMILL_WEBDRIVER_URL, or unset it to use a local browser",
        )


def end_session(remote: RemoteDriver, session: str) -> None:
    """End a session whose browser is lost, instead of leaving it open until the remote driver's timeout."""
    with contextlib.suppress(HTTPError):
        _ask(remote, "quit", sessionId=session)


def _ask(remote: RemoteDriver, command: str, **params: str) -> dict[str, Any]:
    config = client_config(remote.url, seconds=_ANSWER_TIMEOUT_SECONDS, login=remote.login)
    connection = RemoteConnection(client_config=config)
    connection.extra_commands = {"status": ("GET", "/status")}
    try:
        answer: dict[str, Any] = connection.execute(command, params)
        return answer
    finally:
        connection.close()
