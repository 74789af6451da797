"""A session of a browser in a cage: everything it asks for goes through one proxy."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pixmill.browser.driver import running_driver
from pixmill.browser.finder import Browser, Grid
from pixmill.browser.kind import EDGE, FIREFOX
from pixmill.browser.loss import Watch
from pixmill.browser.options import browser_options
from pixmill.browser.profile import own_profile
from pixmill.browser.visit import LoadTimeout, Unreachable, visit
from pixmill.errors import BrowserError, BrowserLost

if TYPE_CHECKING:
    from selenium.webdriver.common.options import ArgOptions
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["open_browser"]

_START_SECONDS = 30.0
"""A browser starts in half a second. ChromeDriver waits a minute, even for one that ended at once."""

_QUIT_SECONDS = 5.0

_REFUSED = "http://192.0.2.1/"
"""An address that is kept for documentation (RFC 5737), which a guard never lets through."""

_SLACK_SECONDS = 5.0
"""How much longer than the driver's own limits the client waits: only a hung driver or browser gets that far."""


@contextlib.contextmanager
def open_browser(
    browser: Browser | Grid,
    *,
    proxy: str,
    profile: Path,
    authority: Path | None = None,
    page_load_timeout: float = 30.0,
    script_timeout: float = 20.0,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[WebDriver]:
    """Open a browser, and leave no process and no profile of it behind.

    The proxy is the one way out for pages, scripts, web sockets, WebRTC and the browser's own calls home, to this
    machine too; no name is resolved past it. Downloads are refused and alerts dismissed. It is an ordinary browser
    otherwise, which does not hide that it is automated. Open pages by :func:`pixmill.browser.visit`.

    The driver dies with the *thread* that opened it (Linux), so that thread must outlive the session.

    Args:
        browser: What to start, from :func:`pixmill.browser.choose_browser`. On a grid the proxy must be reachable from
            the machine of the browser at the same address: a grid on this machine reaches it, another machine needs
            the port forwarded (``ssh -R PORT:127.0.0.1:PORT``).
        proxy: The address of a running :class:`pixmill.fetch.proxy.Proxy`.
        profile: The folder for the browser's profiles. Each session has its own there; those of dead ones are removed.
        authority: A certificate authority, as a PEM file, that is believed beside the browser's own: for test worlds
            and intranets. Chromium and Edge accept every chain that shows one of its keys; Firefox, which has no such
            switch, accepts every certificate, and so does a browser on a grid where it is Firefox.
        page_load_timeout: Longest load of a page, in seconds.
        script_timeout: Longest asynchronous script, in seconds.
        environ: Where ``PIXMILL_HEADLESS=0`` shows the window.

    Yields:
        The driver; each of its commands raises ``BrowserLost`` once the browser crashed or hangs. Chrome's own commands
        go by ``execute("executeCdpCommand", {"cmd": …, "params": …})``.

    Raises:
        BrowserError: The driver or the browser does not start, or a grid's browser does not reach the proxy.
    """
    headless = environ.get("PIXMILL_HEADLESS") != "0"
    with contextlib.ExitStack() as stack:
        if isinstance(browser, Grid):
            options = browser_options(
                browser.kind, binary=None, profile=None, proxy=proxy, authority=authority, headless=headless
            )
            driver = _connect(browser, browser.url, options)
            watch = Watch(driver, kill=lambda: None)
            stack.callback(_quit, driver, watch, leave=lambda: None)
            _check_proxy(driver, browser, proxy)
        else:
            folder = stack.enter_context(own_profile(profile))
            process = stack.enter_context(running_driver(browser))
            options = browser_options(
                browser.kind, binary=browser.binary, profile=folder, proxy=proxy, authority=authority, headless=headless
            )
            driver = _connect(browser, process.url, options)
            watch = Watch(driver, kill=process.kill)
            stack.callback(_quit, driver, watch, leave=process.leave)
        driver.set_page_load_timeout(page_load_timeout)
        driver.set_script_timeout(script_timeout)
        driver.command_executor.client_config.timeout = max(page_load_timeout, script_timeout) + _SLACK_SECONDS
        yield driver


def _connect(browser: Browser | Grid, url: str, options: ArgOptions) -> WebDriver:
    from selenium.common import WebDriverException
    from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection
    from selenium.webdriver.common.proxy import Proxy, ProxyType
    from selenium.webdriver.edge.remote_connection import EdgeRemoteConnection
    from selenium.webdriver.firefox.remote_connection import FirefoxRemoteConnection
    from selenium.webdriver.remote.client_config import ClientConfig
    from selenium.webdriver.remote.webdriver import WebDriver
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    client = ClientConfig(
        remote_server_addr=url,
        # HTTP_PROXY is for the web, not for the driver on this machine.
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),
        timeout=_START_SECONDS,
        # By default urllib3 asks a hung driver four times and waits for each answer.
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": Retry(3, read=False)}},
    )
    spoken = {EDGE: EdgeRemoteConnection, FIREFOX: FirefoxRemoteConnection}.get(browser.kind, ChromeRemoteConnection)
    connection = spoken(remote_server_addr=url, client_config=client)
    try:
        return WebDriver(command_executor=connection, options=options)
    except (HTTPError, WebDriverException) as error:
        connection.close()
        said = f"no answer within {_START_SECONDS:g} s"
        if isinstance(error, WebDriverException):
            said = (error.msg or "nothing is said of why").splitlines()[0]
        raise _not_started(browser, said) from None


def _not_started(browser: Browser | Grid, said: str) -> BrowserError:
    if isinstance(browser, Grid):
        return BrowserError(
            f"the grid {browser.url} opened no {browser.kind.title}: {said}",
            next=f"see what it offers: {browser.url}/status",
        )
    trial = "--headless --screenshot" if browser.kind == FIREFOX else "--headless=new --dump-dom"
    return BrowserError(
        f"the browser {browser.binary} (version {browser.version}) did not start: {said}",
        next=f"see why with: {browser.binary} {trial} about:blank",
    )


def _quit(driver: WebDriver, watch: Watch, leave: Callable[[], None]) -> None:
    from selenium.common import WebDriverException

    if watch.loss is not None:
        return  # It has been killed, and would not answer.
    driver.command_executor.client_config.timeout = _QUIT_SECONDS
    # What does not leave in time is killed right after this.
    with contextlib.suppress(BrowserLost, WebDriverException, HTTPException, OSError, subprocess.TimeoutExpired):
        driver.quit()
        leave()


def _check_proxy(driver: WebDriver, grid: Grid, proxy: str) -> None:
    """Make sure that a browser elsewhere reaches the proxy here, which alone refuses what is not public."""
    try:
        visit(driver, _REFUSED)
        said = "it goes past it"
    except Unreachable as error:
        if error.reason.startswith(f"{urlsplit(_REFUSED).hostname} "):
            return
        said = error.reason
    except LoadTimeout:
        said = "it does not answer"
    port = urlsplit(proxy).port
    raise BrowserError(
        f"the browser of the grid {grid.url} does not go through the proxy {proxy}, which runs on this machine only "
        f"and keeps pages away from inner addresses: {said}",
        next=f"forward the port to the machine of the browser: ssh -N -R {port}:127.0.0.1:{port} <that machine>",
    )
