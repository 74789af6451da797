"""A sandboxed browser session: every request goes through one proxy."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selenium.common import WebDriverException
from selenium.webdriver.common.options import ArgOptions
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.web.browser.driver import own_profile, running_driver
from pixmill.web.browser.finder import Browser
from pixmill.web.browser.options import browser_options
from pixmill.web.browser.remote import RemoteDriver, client_config, end_session
from pixmill.web.browser.visit import LoadTimeoutError, UnreachableError, visit
from pixmill.web.browser.watch import Watch

_REFUSED = "http://192.0.2.1/"
"""An address that is kept for documentation (RFC 5737), which a guard never lets through."""

_EXAMPLE_PORT = 8899
"""The port that advice names where none is chosen."""

_SLACK_SECONDS = 5.0
"""How much longer than the driver's own limits the client waits: only a hung driver or browser gets that far."""


@dataclass(frozen=True)
class Timings:
    """How long browsers and drivers are waited for, in seconds.

    Args:
        driver: A driver that starts.
        start: A browser that starts, which takes half a second. ChromeDriver itself waits a minute, even for one that
            ended at once.
        page: A page that loads.
        script: An asynchronous script.
        quit: A browser that ends; it is killed after that.
        answer: A page whose load has been given up: one that does not answer is lost.
    """

    driver: float = 30.0
    start: float = 30.0
    page: float = 30.0
    script: float = 20.0
    quit: float = 5.0
    answer: float = 5.0


@contextlib.contextmanager
def open_browser(
    browser: Browser | RemoteDriver,
    *,
    proxy: str,
    profile: Path,
    authority: Path | None = None,
    timings: Timings = Timings(),
) -> Iterator[WebDriver]:
    """Open a browser, and leave no process and no profile behind.

    The proxy is the one way out for pages, scripts, web sockets, WebRTC and the browser's own calls home, to this
    machine too; no name is resolved past it. Downloads are refused and alerts dismissed. It is an ordinary browser
    otherwise, which does not hide that it is automated; ``PIXMILL_HEADLESS=0`` shows its window.
    Open pages by :func:`pixmill.web.browser.visit`.

    The driver dies with the *thread* that opened it (Linux), so that thread must outlive the session.

    Args:
        browser: What to start, from :func:`.choose_browser`. Browsers of a remote driver must reach the proxy at the
            same address: those of this machine do, and others need its port forwarded (``ssh -R PORT:127.0.0.1:PORT``).
        proxy: The address of a running :class:`pixmill.web.fetch.proxy.Proxy`.
        profile: The folder for the browser's profiles. Each session has its own there; those of dead ones are removed.
        authority: A certificate authority of a test world; where there is one, every certificate is accepted.
        timings: How long things are waited for.

    Yields:
        The driver; each of its commands raises ``BrowserLostError`` once the browser crashed or hangs. Chrome's own
        commands go by ``execute("executeCdpCommand", {"cmd": …, "params": …})``.

    Raises:
        BrowserError: The driver or the browser does not start, or a remote browser does not reach the proxy.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(browser, RemoteDriver):
            binary, folder, url, login = None, None, browser.url, browser.login
        else:
            binary, folder, login = browser.binary, stack.enter_context(own_profile(profile)), None
            log = folder.with_name("driver.log")
            url, kill = stack.enter_context(running_driver(browser, log, seconds=timings.driver))
        options = browser_options(
            browser.kind,
            binary=binary,
            profile=folder,
            proxy=proxy,
            authority=authority,
            headless=os.environ.get("PIXMILL_HEADLESS") != "0",
        )
        driver = _connect(browser, url, options, timings.start, login)
        if isinstance(browser, RemoteDriver):
            kill = partial(end_session, browser, driver.session_id or "")
        watch = Watch(driver, kill, timings.answer)
        stack.callback(_quit, driver, watch, timings.quit)
        if isinstance(browser, RemoteDriver):
            _check_proxy(driver, browser, proxy)
        driver.set_page_load_timeout(timings.page)
        driver.set_script_timeout(timings.script)
        driver.command_executor.client_config.timeout = max(timings.page, timings.script) + _SLACK_SECONDS
        yield driver


def _connect(
    browser: Browser | RemoteDriver, url: str, options: ArgOptions, seconds: float, login: tuple[str, str] | None
) -> WebDriver:
    try:
        config = client_config(url, seconds=seconds, login=login)
        return WebDriver(command_executor=url, options=options, client_config=config)
    except (HTTPError, WebDriverException) as error:
        if isinstance(browser, RemoteDriver):
            raise BrowserError(
                f"the remote driver {browser.url} did not open {browser.kind.title}: {_reason(error)}",
                next="check it with: pixmill browser; set scrape.browsers to as many as it opens at once",
            ) from None
        raise BrowserError(
            f"the browser {browser.binary} (version {browser.version}) did not start: {_reason(error)}",
            next=f"find the cause with: {browser.binary} --headless about:blank",
        ) from None


def _reason(error: HTTPError | WebDriverException) -> str:
    if isinstance(error, WebDriverException):
        return (error.msg or "no reason given").splitlines()[0]
    return "no answer in time"


def _quit(driver: WebDriver, watch: Watch, seconds: float) -> None:
    if watch.lost:
        return  # It has been killed, and would not answer.
    driver.command_executor.client_config.timeout = seconds
    # What does not leave in time is killed right after this.
    with contextlib.suppress(BrowserLostError, WebDriverException):
        driver.quit()


def _check_proxy(driver: WebDriver, remote: RemoteDriver, proxy: str) -> None:
    """Make sure that a browser elsewhere reaches the proxy here, which alone refuses what is not public."""
    try:
        visit(driver, _REFUSED)
        reason = "it connects directly"
    except (LoadTimeoutError, UnreachableError) as error:
        reason = error.message
        if " is not a public address" in reason:
            return
    port = remote.proxy_port or _EXAMPLE_PORT
    setting = "" if remote.proxy_port else f"add ?proxy_port={port} to PIXMILL_WEBDRIVER_URL, then "
    raise BrowserError(
        f"the browser of the remote driver {remote.url} does not use the proxy {proxy} of this machine, which is the "
        f"SSRF guard: {reason}",
        next=f"{setting}forward the port to each machine with browsers: ssh -N -R {port}:127.0.0.1:{port} MACHINE",
    )
