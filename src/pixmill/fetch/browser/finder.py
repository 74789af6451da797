"""Find or install a browser and a driver with matching versions, or connect to a remote driver."""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from selenium.common import WebDriverException
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.common.selenium_manager import SeleniumManager
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from urllib3 import Retry, Timeout
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserError
from pixmill.fetch.browser.options import CHROMIUM, FIREFOX, KINDS, BrowserKind

_CONNECT_TIMEOUT_SECONDS = 10.0
_ANSWER_TIMEOUT_SECONDS = 5.0

_INSTALL = "pixmill doctor --fix browser"
_CHOICE = "set PIXMILL_BROWSER and PIXMILL_DRIVER to a matching browser and driver, or unset both"
_MISFIT = (
    "remove the older one from PATH, or set PIXMILL_BROWSER and PIXMILL_DRIVER to a pair of "
    "the same version"
)
_APT = ["apt-get", "install", "--yes", "chromium", "chromium-driver"]
_APT_TIMEOUT_SECONDS = 900.0
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")
_VERSION_TIMEOUT_SECONDS = 20.0
"""``--version`` hangs in a browser that waits for a display or a snap."""


@dataclass(frozen=True)
class RemoteDriver:
    """A remote driver and the kind of browser to request from it.

    Args:
        url: URL without credentials, such as ``http://127.0.0.1:4444``.
        kind: Kind of browser.
        login: User and password for HTTP basic authentication; default: none.
        proxy_port: Port of 127.0.0.1 on which the proxy listens, here and, through a tunnel, on the
            browser's machine; 0 for any free port, with a driver on this machine.
    """

    url: str
    kind: BrowserKind = CHROMIUM
    login: tuple[str, str] | None = field(default=None, repr=False)
    proxy_port: int = 0


def choose_remote(environ: Mapping[str, str] = os.environ) -> RemoteDriver | None:
    """Return the remote driver from ``PIXMILL_WEBDRIVER_URL``; ``None`` if it is not set.

    Args:
        environ: Environment variables. With a remote driver, ``PIXMILL_BROWSER`` must name a kind
            of browser.

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
            "with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER must be a kind, not a local file",
            next="set PIXMILL_BROWSER to chrome or firefox, or unset it",
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    url = urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
    )
    return RemoteDriver(url, kind, login, port)


def client_config(
    url: str, *, seconds: float, login: tuple[str, str] | None = None
) -> ClientConfig:
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
        # By default urllib3 sends a request to a hanging driver four times, with the timeout each
        # time.
        init_args_for_pool_manager={
            "init_args_for_pool_manager": {"retries": Retry(3, read=False)}
        },
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
            (
                f"{remote.url}/status does not answer like a WebDriver server: "
                f"{' '.join(str(value).split())[:200]}"
            ),
            next=(
                "start the driver, correct PIXMILL_WEBDRIVER_URL, or unset it to use a local "
                "browser"
            ),
        )


def end_session(remote: RemoteDriver, session: str) -> None:
    """End a session whose browser is lost before the remote driver's timeout."""
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


@dataclass(frozen=True)
class Browser:
    """A local browser and its driver.

    Args:
        binary: Executable of the browser.
        driver: Executable of the driver.
        version: Full version of the browser, such as ``156.0.8078.79``.
        driver_version: Full version of the driver; except for Firefox, its major version equals the
            browser's.
        kind: Kind of browser.
    """

    binary: Path
    driver: Path
    version: str
    driver_version: str
    kind: BrowserKind = CHROMIUM


def choose_browser(*, environ: Mapping[str, str] = os.environ) -> Browser | RemoteDriver:
    """Return the remote driver from ``PIXMILL_WEBDRIVER_URL`` if set, else a local browser.

    Args:
        environ: Environment variables.

    Raises:
        BrowserError: No usable browser was found, or the URL is invalid.
    """
    return choose_remote(environ) or find_browser(environ=environ)


def find_browser(*, environ: Mapping[str, str] = os.environ) -> Browser:
    """Find an installed browser and a matching driver, without network access.

    ``PIXMILL_BROWSER`` (``chrome``, ``chromium``, ``firefox`` or a path) and ``PIXMILL_DRIVER`` (a
    path) take precedence. Otherwise Selenium Manager searches ``PATH``, the system's usual folders
    and its download cache. Versions are compared here, since ChromeDriver accepts browsers of other
    versions and then fails in obscure ways.

    Args:
        environ: Environment variables.

    Raises:
        BrowserError: The browser or the driver is missing, or their versions do not match.
    """
    kind, binary = _choose_browser(environ)
    driver = _choose_file("PIXMILL_DRIVER", environ)
    is_chosen = _is_chosen(environ)
    step = _CHOICE if is_chosen else _INSTALL
    if binary is None or driver is None:
        with contextlib.suppress(BrowserError):  # reported below
            located = _ask_manager(kind, binary, "--offline")
            binary = binary or located[0]
            driver = driver or located[1]
    if binary is None:
        raise BrowserError(f"no {kind.title} was found on this machine", next=step)
    version = _version_of(binary)
    if driver is None:
        raise BrowserError(
            f"no driver was found for the browser {binary} (version {version})", next=step
        )
    driver_version = _version_of(driver)
    # geckodriver has its own version numbers and supports many versions of Firefox.
    if kind != FIREFOX and version.split(".")[0] != driver_version.split(".")[0]:
        raise BrowserError(
            f"the browser {binary} (version {version}) and the driver {driver} (version "
            f"{driver_version}) have different major versions",
            next=_CHOICE if is_chosen else _MISFIT,
        )
    return Browser(binary, driver, version, driver_version, kind)


def install_browser(
    *, report: Callable[[str], None], environ: Mapping[str, str] = os.environ
) -> Browser:
    """Return a browser with a matching driver; install them if they are not found.

    Selenium Manager downloads Chrome for Testing, or only the driver for an installed browser. If
    this fails, the system's packages are installed (as root on Debian and its derivatives).

    Args:
        report: Receives one line before each slow or network step.
        environ: Environment variables; a browser or driver that they name is never replaced.

    Raises:
        BrowserError: No usable browser was found or installed.
    """
    try:
        return find_browser(environ=environ)
    except BrowserError:
        if _is_chosen(environ):
            raise
    failures: list[str] = []
    for install in (_download, _install_packages):
        try:
            install(report)
            return find_browser(environ=environ)
        except BrowserError as error:
            failures.append(error.message)
    by_hand = f"sudo {' '.join(_APT)}" if shutil.which("apt-get") else _CHOICE
    raise BrowserError(f"no browser could be installed: {'; '.join(failures)}", next=by_hand)


def _is_chosen(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("PIXMILL_BROWSER") or environ.get("PIXMILL_DRIVER"))


def _choose_browser(environ: Mapping[str, str]) -> tuple[BrowserKind, Path | None]:
    chosen = (environ.get("PIXMILL_BROWSER") or "chrome").lower()
    if chosen == "chromium":  # Selenium Manager does not distinguish it from Chrome
        binary = shutil.which("chromium") or shutil.which("chromium-browser")
        return CHROMIUM, Path(binary) if binary else None
    if chosen in KINDS:
        return KINDS[chosen], None
    path = _choose_file("PIXMILL_BROWSER", environ)
    name = path.name.lower() if path else ""
    return FIREFOX if "firefox" in name else CHROMIUM, path


def _choose_file(variable: str, environ: Mapping[str, str]) -> Path | None:
    if not (chosen := environ.get(variable)):
        return None
    if not Path(chosen).is_file():
        known = (
            ": expected chrome, chromium, firefox or a path"
            if variable == "PIXMILL_BROWSER"
            else ""
        )
        raise BrowserError(f"{variable} names {chosen}, which is not a file{known}", next=_CHOICE)
    return Path(chosen)


def _ask_manager(
    kind: BrowserKind, binary: Path | None, *options: str
) -> tuple[Path | None, Path | None]:
    """Return the browser and the driver that Selenium Manager finds or downloads.

    Raises:
        BrowserError: Selenium Manager failed.
    """
    # Its warnings about missing programs duplicate our messages.
    logging.getLogger("selenium.webdriver.common.selenium_manager").setLevel(logging.ERROR)
    own = ["--browser-path", str(binary)] if binary else []
    try:
        paths = SeleniumManager().binary_paths(
            ["--browser", kind.name, "--avoid-stats", *own, *options]
        )
    except WebDriverException as error:
        # The exception's text contains the whole command line and the printed JSON; extract its
        # message.
        message = re.search(r"""'message': (['"])(.+?)\1""", error.msg or "")
        raise BrowserError(
            f"Selenium Manager failed: {message[2] if message else _last_line(error.msg or '')}"
        ) from None
    browser, driver = (
        Path(paths.get(name) or "/nowhere") for name in ("browser_path", "driver_path")
    )
    return browser if browser.is_file() else None, driver if driver.is_file() else None


def _download(report: Callable[[str], None]) -> None:
    report(
        "Downloading a browser with Selenium Manager (Chrome for Testing and ChromeDriver, by "
        "Google)"
    )
    _ask_manager(CHROMIUM, None, "--skip-driver-in-path")


def _install_packages(report: Callable[[str], None]) -> None:
    if sys.platform != "linux" or not shutil.which("apt-get"):
        raise BrowserError("no apt-get on this system")
    if os.geteuid() != 0:
        raise BrowserError("apt-get needs root")
    report(f"Installing a browser: {' '.join(_APT)}")
    for command in (["apt-get", "update"], _APT):
        done = _run(command, _APT_TIMEOUT_SECONDS)
    # A failed update does not matter if the installation succeeds.
    if done.returncode != 0:
        raise BrowserError(f"apt-get failed: {_last_line(done.stderr or done.stdout)}")


def _version_of(executable: Path) -> str:
    answer = _run([str(executable), "--version"], _VERSION_TIMEOUT_SECONDS)
    version = _VERSION.search(answer.stdout)
    if answer.returncode != 0 or version is None:
        output = _last_line(answer.stderr.strip() or answer.stdout)
        raise BrowserError(
            f"{executable} --version returned {answer.returncode}: {output}",
            next=f"{_INSTALL}; or {_CHOICE}",
        )
    return version[0]


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrowserError(
            f"{' '.join(command)} timed out after {seconds:g} s", next=_CHOICE
        ) from None
    except OSError as error:
        raise BrowserError(
            f"{' '.join(command)} cannot be run: {error.strerror}", next=_CHOICE
        ) from None


def _last_line(text: str) -> str:
    return (text.strip() or "nothing").splitlines()[-1]
