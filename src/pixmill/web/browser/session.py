"""A sandboxed browser session: every request goes through one proxy."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selenium.common import WebDriverException
from selenium.webdriver.common.options import ArgOptions
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.core.progress import announce
from pixmill.web.browser.driver import SESSION, own_profile, running_driver
from pixmill.web.browser.finder import Browser
from pixmill.web.browser.grid import Grid, client_config, count_browsers, end_session, wait_for_browser
from pixmill.web.browser.options import browser_options
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
        queue: A full grid, which itself gives up after its ``--session-request-timeout``, usually 300 s.
        patience: A grid that is not there, since it starts again.
        notice: A grid's browser, before a line says what is waited for; it takes a second or two.
    """

    driver: float = 30.0
    start: float = 30.0
    page: float = 30.0
    script: float = 20.0
    quit: float = 5.0
    answer: float = 5.0
    queue: float = 600.0
    patience: float = 0.0
    notice: float = 10.0


@contextlib.contextmanager
def open_browser(
    browser: Browser | Grid,
    *,
    proxy: str,
    profile: Path,
    authority: Path | None = None,
    timings: Timings = Timings(),
    tell: Callable[[str], None] = announce,
) -> Iterator[WebDriver]:
    """Open a browser, and leave no process, no profile and no session on a grid behind.

    The proxy is the one way out for pages, scripts, web sockets, WebRTC and the browser's own calls home, to this
    machine too; no name is resolved past it. Downloads are refused and alerts dismissed. It is an ordinary browser
    otherwise, which does not hide that it is automated; ``PIXMILL_HEADLESS=0`` shows its window.
    Open pages by :func:`pixmill.web.browser.visit`.

    The driver dies with the *thread* that opened it (Linux), so that thread must outlive the session.

    Args:
        browser: What to start, from :func:`.choose_browser`. A grid's browsers must reach the proxy at the same
            address: those of this machine do, and others need its port forwarded (``ssh -R PORT:127.0.0.1:PORT``).
        proxy: The address of a running :class:`pixmill.web.fetch.proxy.Proxy`.
        profile: The folder for the browser's profiles. Each session has its own there; those of dead ones are removed,
            and their sessions on the grid are ended.
        authority: A certificate authority of a test world; where there is one, every certificate is accepted.
        timings: How long things are waited for.
        tell: Is given a line that says what is waited for where a grid has no browser at once.

    Yields:
        The driver; each of its commands raises ``BrowserLostError`` once the browser crashed or hangs. Chrome's own
        commands go by ``execute("executeCdpCommand", {"cmd": …, "params": …})``.

    Raises:
        BrowserError: The driver or the browser does not start, or a grid's browser does not reach the proxy.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(browser, Grid):
            end = partial(end_session, browser)
            binary, folder, session = None, None, stack.enter_context(own_profile(profile, end)).with_name(SESSION)
        else:
            binary, folder = browser.binary, stack.enter_context(own_profile(profile))
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
        if isinstance(browser, Grid):
            driver = _open_on_grid(browser, options, timings, tell)
            kill = partial(end, driver.session_id or "")
        else:
            driver = _open_here(browser, url, options, timings.start)
        watch = Watch(driver, kill, timings.answer)
        stack.callback(_quit, driver, watch, timings.quit)
        if isinstance(browser, Grid):
            session.write_text(driver.session_id or "")
            _check_proxy(driver, browser, proxy)
        driver.set_page_load_timeout(timings.page)
        driver.set_script_timeout(timings.script)
        driver.command_executor.client_config.timeout = max(timings.page, timings.script) + _SLACK_SECONDS
        yield driver


def _connect(options: ArgOptions, url: str, seconds: float, login: tuple[str, str] | None = None) -> WebDriver:
    config = client_config(url, seconds=seconds, login=login)
    return WebDriver(command_executor=url, options=options, client_config=config)


def _open_here(browser: Browser, url: str, options: ArgOptions, seconds: float) -> WebDriver:
    try:
        return _connect(options, url, seconds)
    except (HTTPError, WebDriverException) as error:
        raise BrowserError(
            f"the browser {browser.binary} (version {browser.version}) did not start: {_reason(error)}",
            next=f"find the cause with: {browser.binary} --headless about:blank",
        ) from None


def _open_on_grid(grid: Grid, options: ArgOptions, timings: Timings, tell: Callable[[str], None]) -> WebDriver:
    def connect(seconds: float) -> WebDriver:
        return _connect(options, grid.url, seconds, grid.login)

    try:
        return wait_for_browser(
            grid, connect, queue=timings.queue, notice=timings.notice, patience=timings.patience, tell=tell
        )
    except (HTTPError, WebDriverException) as error:
        count_browsers(grid)  # which says it where the grid is not there at all
        raise BrowserError(
            f"the grid {grid.url} could not open {grid.kind.title}: {_reason(error)}",
            next=f"check its browsers at {grid.url}/status",
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


def _check_proxy(driver: WebDriver, grid: Grid, proxy: str) -> None:
    """Make sure that a browser elsewhere reaches the proxy here, which alone refuses what is not public."""
    try:
        visit(driver, _REFUSED)
        reason = "it connects directly"
    except (LoadTimeoutError, UnreachableError) as error:
        reason = error.message
        if " is not a public address" in reason:
            return
    port = grid.proxy_port or _EXAMPLE_PORT
    setting = "" if grid.proxy_port else f"add ?proxy_port={port} to PIXMILL_WEBDRIVER_URL, then "
    raise BrowserError(
        f"the browser of the grid {grid.url} does not use the proxy {proxy} of this machine, which is the SSRF guard: "
        f"{reason}",
        next=f"{setting}forward the port to each machine with browsers: ssh -N -R {port}:127.0.0.1:{port} MACHINE",
    )
