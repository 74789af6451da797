"""A sandboxed browser session: every request goes through one proxy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pixmill.core.errors import BrowserError, BrowserLost
from pixmill.web.browser.driver import own_profile, running_driver
from pixmill.web.browser.finder import Browser, Grid
from pixmill.web.browser.options import browser_options
from pixmill.web.browser.visit import LoadTimeout, Unreachable, visit
from pixmill.web.browser.watch import Watch

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
) -> Iterator[WebDriver]:
    """Open a browser, and leave no process and no profile of it behind.

    The proxy is the one way out for pages, scripts, web sockets, WebRTC and the browser's own calls home, to this
    machine too; no name is resolved past it. Downloads are refused and alerts dismissed. It is an ordinary browser
    otherwise, which does not hide that it is automated; ``PIXMILL_HEADLESS=0`` shows its window.
    Open pages by :func:`pixmill.web.browser.visit`.

    The driver dies with the *thread* that opened it (Linux), so that thread must outlive the session.

    Args:
        browser: What to start, from :func:`.choose_browser`. On a grid the proxy must be reachable from
            the machine of the browser at the same address: a grid on this machine reaches it, another machine needs
            the port forwarded (``ssh -R PORT:127.0.0.1:PORT``).
        proxy: The address of a running :class:`pixmill.web.fetch.proxy.Proxy`.
        profile: The folder for the browser's profiles. Each session has its own there; those of dead ones are removed.
        authority: A certificate authority of a test world; where there is one, every certificate is accepted.
        page_load_timeout: Longest load of a page, in seconds.
        script_timeout: Longest asynchronous script, in seconds.

    Yields:
        The driver; each of its commands raises ``BrowserLost`` once the browser crashed or hangs. Chrome's own commands
        go by ``execute("executeCdpCommand", {"cmd": …, "params": …})``.

    Raises:
        BrowserError: The driver or the browser does not start, or a grid's browser does not reach the proxy.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(browser, Grid):
            binary, folder, url, kill = None, None, browser.url, None
        else:
            binary, folder = browser.binary, stack.enter_context(own_profile(profile))
            url, kill = stack.enter_context(running_driver(browser, folder.with_name("driver.log")))
        options = browser_options(
            browser.kind,
            binary=binary,
            profile=folder,
            proxy=proxy,
            authority=authority,
            headless=os.environ.get("PIXMILL_HEADLESS") != "0",
        )
        driver = _connect(browser, url, options)
        watch = Watch(driver, kill)
        stack.callback(_quit, driver, watch)
        if isinstance(browser, Grid):
            _check_proxy(driver, browser, proxy)
        driver.set_page_load_timeout(page_load_timeout)
        driver.set_script_timeout(script_timeout)
        driver.command_executor.client_config.timeout = max(page_load_timeout, script_timeout) + _SLACK_SECONDS
        yield driver


def _connect(browser: Browser | Grid, url: str, options: ArgOptions) -> WebDriver:
    from selenium.common import WebDriverException
    from selenium.webdriver.common.proxy import Proxy, ProxyType
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
    try:
        return WebDriver(command_executor=url, options=options, client_config=client)
    except (HTTPError, WebDriverException) as error:
        reason = f"no answer within {_START_SECONDS:g} s"
        if isinstance(error, WebDriverException):
            reason = (error.msg or "no reason given").splitlines()[0]
        if isinstance(browser, Grid):
            raise BrowserError(
                f"the grid {browser.url} could not open {browser.kind.title}: {reason}",
                next=f"check its browsers at {browser.url}/status",
            ) from None
        raise BrowserError(
            f"the browser {browser.binary} (version {browser.version}) did not start: {reason}",
            next=f"find the cause with: {browser.binary} --headless about:blank",
        ) from None


def _quit(driver: WebDriver, watch: Watch) -> None:
    from selenium.common import WebDriverException

    if watch.lost:
        return  # It has been killed, and would not answer.
    driver.command_executor.client_config.timeout = _QUIT_SECONDS
    # What does not leave in time is killed right after this.
    with contextlib.suppress(BrowserLost, WebDriverException):
        driver.quit()


def _check_proxy(driver: WebDriver, grid: Grid, proxy: str) -> None:
    """Make sure that a browser elsewhere reaches the proxy here, which alone refuses what is not public."""
    try:
        visit(driver, _REFUSED)
        reason = "it connects directly"
    except (LoadTimeout, Unreachable) as error:
        reason = error.message
        if " is not a public address" in reason:
            return
    port = urlsplit(proxy).port
    raise BrowserError(
        f"the browser of the grid {grid.url} does not use the proxy {proxy} of this machine, which is the SSRF guard: "
        f"{reason}",
        next=f"forward the port to the browser's machine: ssh -N -R {port}:127.0.0.1:{port} <that machine>",
    )
