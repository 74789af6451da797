"""Open a browser in a cage: it reaches the hosts it is given, and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pixmill.browser.finder import Browser
from pixmill.errors import BrowserError
from pixmill.process import die_with_parent

if TYPE_CHECKING:
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.remote.webdriver import WebDriver

_START_SECONDS = 30.0
"""A browser starts in half a second. ChromeDriver waits a minute, even for one that ended at once."""

_QUIT_SECONDS = 5.0

_SLACK_SECONDS = 5.0
"""How much longer than the driver's own limits the client waits: only a hung driver or browser gets that far."""

_QUIET = (
    "--headless=new",
    "--remote-debugging-pipe",  # The browser ends with its driver; with a port it outlives it.
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # Containers give /dev/shm 64 MB, and pages that need more crash.
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--window-size=1280,960",
)


@contextlib.contextmanager
def open_browser(
    browser: Browser,
    *,
    resolve: Mapping[str, str] = MappingProxyType({}),
    proxy: str | None = None,
    profile: Path,
    page_load_timeout: float = 30.0,
    script_timeout: float = 20.0,
) -> Iterator[WebDriver]:
    """Open a headless browser, and leave no process and no profile of it behind.

    The browser has one way out: the hosts in ``resolve``, and the proxy where there is one. Every other name and every
    literal address, loopback included, resolves to nothing, for pages, scripts, web sockets, WebRTC and the browser's
    own calls home. Downloads are refused. The driver dies with the *thread* that opened it (Linux), so that thread must
    outlive the session.

    Args:
        browser: The pair to start, from :func:`pixmill.browser.find_browser`.
        resolve: Address (``127.0.0.1:8000``) by host, or by host and port (``shop.test:80``).
        proxy: A proxy such as ``http://127.0.0.1:9000`` that everything but ``resolve`` goes through, loopback too.
        profile: The folder for the browser's profiles. Each session has its own there; those of dead ones are removed.
        page_load_timeout: Longest load of a page, in seconds.
        script_timeout: Longest asynchronous script, in seconds.

    Yields:
        The driver. Chrome's own commands go by ``execute("executeCdpCommand", {"cmd": …, "params": …})``.

    Raises:
        BrowserError: The driver or the browser does not start.
    """
    with _own_profile(profile) as folder, _running_driver(browser) as service:
        driver = _connect(browser, service, _options(browser, resolve, proxy, folder))
        client = driver.command_executor.client_config
        try:
            driver.set_page_load_timeout(page_load_timeout)
            driver.set_script_timeout(script_timeout)
            client.timeout = max(page_load_timeout, script_timeout) + _SLACK_SECONDS
            yield driver
        finally:
            client.timeout = _QUIT_SECONDS
            _quit(driver, service)


def _options(browser: Browser, resolve: Mapping[str, str], proxy: str | None, folder: Path) -> Options:
    from selenium.webdriver.chrome.options import Options

    options = Options()
    options.binary_location = str(browser.binary)
    for argument in (*_QUIET, *cage_arguments(resolve, proxy), f"--user-data-dir={folder}"):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to start as root with its sandbox.
    # 3 refuses every download: a link with the attribute `download` would write into the home folder.
    options.add_experimental_option("prefs", {"download_restrictions": 3})
    return options


def cage_arguments(resolve: Mapping[str, str], proxy: str | None) -> list[str]:
    """Return the arguments that close every way out but the given hosts and the proxy."""
    rules = [f"MAP {host} {address}" for host, address in resolve.items()]
    # The rules hold for literal addresses too; only what is named before the last one resolves to anything.
    rules.append("MAP * ~NOTFOUND")
    if proxy is None:
        # The proxy of the environment or of the system would be another way out.
        route = ["--no-proxy-server"]
    else:
        rules.append(f"EXCLUDE {urlsplit(proxy).hostname}")
        # Without <-loopback> a browser goes past its proxy to every server on this machine.
        bypass = ";".join(["<-loopback>", *resolve])
        route = [f"--proxy-server={proxy}", f"--proxy-bypass-list={bypass}"]
    return [
        f"--host-resolver-rules={', '.join(rules)}",
        *route,
        "--disable-quic",
        # WebRTC sends UDP to any address that a page names, past resolver and proxy, unless this policy stops it.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    ]


@contextlib.contextmanager
def _running_driver(browser: Browser) -> Iterator[Service]:
    from selenium.common import WebDriverException
    from selenium.webdriver.chrome.service import Service

    apart = {"start_new_session": True} if os.name == "posix" else {}
    bound = {"preexec_fn": die_with_parent} if sys.platform == "linux" else {}
    service = Service(popen_kw={**apart, **bound})
    service.path = str(browser.driver)  # Set afterwards, since SE_CHROMEDRIVER overrules the constructor's argument.
    try:
        service.start()
    except (OSError, WebDriverException) as error:
        raise BrowserError(
            f"the driver {browser.driver} did not start: {error}", next=f"see why with: {browser.driver} --port=0"
        ) from None
    with service.process as process:
        try:
            yield service
        finally:
            _kill(process)


def _connect(browser: Browser, service: Service, options: Options) -> WebDriver:
    from selenium.common import WebDriverException
    from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
    from selenium.webdriver.common.proxy import Proxy, ProxyType
    from selenium.webdriver.remote.client_config import ClientConfig
    from selenium.webdriver.remote.webdriver import WebDriver
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    client = ClientConfig(
        remote_server_addr=service.service_url,
        # HTTP_PROXY is for the web, not for the driver on this machine.
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),
        timeout=_START_SECONDS,
        # By default urllib3 asks a hung driver four times and waits for each answer.
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(3, read=False)}},
    )
    connection = ChromiumRemoteConnection(
        remote_server_addr=service.service_url, browser_name="chrome", vendor_prefix="goog", client_config=client
    )
    try:
        return WebDriver(command_executor=connection, options=options)
    except (HTTPError, WebDriverException) as error:
        connection.close()
        said = (
            f"no answer within {_START_SECONDS:g} s" if isinstance(error, HTTPError) else str(error.msg).splitlines()[0]
        )
        raise BrowserError(
            f"the browser {browser.binary} (version {browser.version}) did not start: {said}",
            next=f"see why with: {browser.binary} --headless=new --dump-dom about:blank",
        ) from None


def _quit(driver: WebDriver, service: Service) -> None:
    from selenium.common import WebDriverException
    from urllib3.exceptions import HTTPError

    # A browser that crashed or hangs cannot be asked to leave; it is killed with its driver right after this.
    with contextlib.suppress(HTTPError, WebDriverException, HTTPException, OSError, subprocess.TimeoutExpired):
        driver.quit()
        # A driver that is asked to leave clears its temporary folders away; one that is killed does not.
        with contextlib.closing(HTTPConnection("localhost", service.port, timeout=_QUIT_SECONDS)) as connection:
            connection.request("GET", "/shutdown")
            connection.getresponse().read()
        service.process.wait(_QUIT_SECONDS)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name != "posix":
        process.kill()
        return
    # The driver leads a group of its own, and everything it started is in it. macOS forbids to signal a group that has
    # nothing but the dead in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _own_profile(home: Path) -> Iterator[Path]:
    from filelock import FileLock

    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "profiles.lock"):
        _sweep(home)
        folder = Path(tempfile.mkdtemp(prefix="profile-", dir=home))
        held = FileLock(folder / "lock")
        held.acquire()
    try:
        yield folder / "data"
    finally:
        held.release()
        # A process that is just dying may still write here; what it leaves goes with the next sweep.
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    from filelock import FileLock, Timeout

    for folder in home.glob("profile-*"):
        try:
            # The system drops a lock with its holder, however that dies, so a lock that is free marks the dead.
            with FileLock(folder / "lock", blocking=False):
                pass
        except Timeout:
            continue
        shutil.rmtree(folder, ignore_errors=True)
