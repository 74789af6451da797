"""A Selenium Grid, or another remote driver: its address, its browsers, and how one of them is waited for."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3 import Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError

from pixmill.core.errors import BrowserError
from pixmill.web.browser.kind import CHROMIUM, KINDS, BrowserKind

_CONNECT_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Grid:
    """A Selenium Grid, or another remote driver, and the kind of browser that it is asked for.

    Args:
        url: Its address, such as ``http://127.0.0.1:4444``, without name and password.
        kind: What kind of browser is opened there.
        login: The name and the password of HTTP basic authentication; ``None``: none.
        proxy_port: The port of 127.0.0.1 that the proxy listens on, here and, by a tunnel, on the browsers' machines;
            0: any free port, for a grid on this machine.
    """

    url: str
    kind: BrowserKind = CHROMIUM
    login: tuple[str, str] | None = field(default=None, repr=False)
    proxy_port: int = 0


def choose_grid(environ: Mapping[str, str] = os.environ) -> Grid | None:
    """Return the grid that ``PIXMILL_WEBDRIVER_URL`` names, or ``None`` where it is not set.

    Args:
        environ: The environment. On a grid, ``PIXMILL_BROWSER`` is the name of a kind.

    Raises:
        BrowserError: The address is none, or the kind is none.
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
            f"http://grid:4444?proxy_port=8899, received '{text.rpartition('@')[2]}'",
            next="set it to the URL of a Selenium Grid, or unset it to use a local browser",
        ) from None
    kind = KINDS.get((environ.get("PIXMILL_BROWSER") or "chrome").lower())
    if kind is None:
        raise BrowserError(
            "with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER must be a kind of browser, not a local file",
            next="set PIXMILL_BROWSER to chrome, edge or firefox, or unset it",
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return Grid(url, kind, login, port)


def client_config(url: str, *, seconds: float, login: tuple[str, str] | None = None) -> ClientConfig:
    """Return how a driver is spoken to: directly, and without asking one that hangs again and again.

    Args:
        url: The driver's address.
        seconds: The longest that an answer is waited for.
        login: The name and the password of HTTP basic authentication.
    """
    name, password = login or (None, None)
    return ClientConfig(
        remote_server_addr=url,
        # HTTP_PROXY is for the web, not for the driver.
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),
        timeout=Timeout(connect=_CONNECT_SECONDS, read=seconds),
        # By default urllib3 asks a hung driver four times and waits for each answer.
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(3, read=False)}},
        username=name,
        password=password,
    )


def count_browsers(grid: Grid) -> tuple[int, int] | None:
    """Ask a grid for its browsers: how many of the kind are free now, and how many there are.

    Returns:
        The two counts, or ``None`` where a driver without nodes answers, which does not tell.

    Raises:
        BrowserError: It does not answer, or not as a grid or a driver does.
    """
    try:
        answer = _ask(grid, "status")
    except HTTPError as error:
        raise BrowserError(
            f"the grid {grid.url} does not answer: {_cause(error)}",
            next="start the grid, or unset PIXMILL_WEBDRIVER_URL to use a local browser",
        ) from None
    value = answer.get("value")
    if not isinstance(value, dict) or "ready" not in value:
        said = " ".join(str(value).split())[:100]
        raise BrowserError(
            f"{grid.url}/status does not answer as a Selenium Grid or a driver does: {said}",
            next="check the address, name and password in PIXMILL_WEBDRIVER_URL",
        )
    if "nodes" not in value:
        return None
    slots = [
        slot
        for node in value["nodes"]
        if node.get("availability") == "UP"
        for slot in node.get("slots", ())
        if str(slot.get("stereotype", {}).get("browserName")).lower().endswith(grid.kind.name)  # MicrosoftEdge
    ]
    return sum(slot.get("session") is None for slot in slots), len(slots)


def end_session(grid: Grid, session: str) -> None:
    """End a session, so that it does not take up the grid's room until it times out there.

    Args:
        grid: The grid.
        session: The session's id; one that has ended already is no fault.
    """
    with contextlib.suppress(HTTPError):
        _ask(grid, "quit", sessionId=session)


def wait_for_browser(
    grid: Grid,
    connect: Callable[[float], WebDriver],
    *,
    queue: float,
    notice: float,
    patience: float,
    tell: Callable[[str], None],
) -> WebDriver:
    """Open a session as soon as the grid has room, and say so where that takes long.

    Args:
        grid: The grid.
        connect: Asks for a session, with the longest that it waits for the answer, in seconds.
        queue: How long a full grid is waited for, in seconds.
        notice: How long a browser may take to come before a line says what is waited for, in seconds.
        patience: How long a grid that is not there, since it starts again, is waited for, in seconds.
        tell: Is given the line that says what is waited for.

    Raises:
        MaxRetryError: The grid does not answer.
        ProtocolError: It ends the connection.
    """
    deadline = time.monotonic() + patience
    while True:
        line = f"Waiting for a free browser on the grid {grid.url}, at most {queue:.0f} s"
        waiting = threading.Timer(notice, tell, [line])
        waiting.daemon = True
        waiting.start()
        try:
            return connect(queue)
        except (MaxRetryError, ProtocolError) as error:
            if time.monotonic() > deadline:
                raise
            tell(f"Waiting for the grid {grid.url} to come back ({_cause(error)}), at most {patience:.0f} s")
        finally:
            waiting.cancel()
        time.sleep(_RETRY_SECONDS)


def _ask(grid: Grid, command: str, **params: str) -> dict[str, Any]:
    connection = RemoteConnection(client_config=client_config(grid.url, seconds=_ANSWER_SECONDS, login=grid.login))
    connection.extra_commands = {"status": ("GET", "/status")}
    try:
        answer: dict[str, Any] = connection.execute(command, params)
        return answer
    finally:
        connection.close()


def _cause(error: HTTPError) -> str:
    """Return why there is no answer, in few words: "Connection refused"."""
    reason = str(getattr(error, "reason", error) or error)
    return reason.rpartition("] ")[2].rstrip(")") if "[Errno" in reason else reason.rpartition(": ")[2]
