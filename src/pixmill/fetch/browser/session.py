"""A sandboxed browser session with driver process and profile; one proxy is its way out."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selenium.common import WebDriverException
from selenium.webdriver.common import utils
from selenium.webdriver.common.options import ArgOptions
from selenium.webdriver.common.service import Service
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.core.process.lifetime import die_with_parent
from pixmill.fetch.browser.finder import Browser, RemoteDriver, client_config, end_session
from pixmill.fetch.browser.options import browser_options
from pixmill.fetch.browser.visit import LoadTimeoutError, UnreachableError, Watch, visit

_REFUSED_URL = "http://192.0.2.1/"
"""A documentation address (RFC 5737), which the SSRF guard always refuses."""

_EXAMPLE_PORT = 8899
"""Proxy port suggested in messages."""

_SLACK_SECONDS = 5.0
"""Margin of the client's timeout over the driver's own; only a hanging driver reaches it."""


@dataclass(frozen=True)
class Timings:
    """Timeouts for browsers and drivers, in seconds.

    Args:
        start: Browser start, which normally takes half a second. ChromeDriver itself waits a
            minute, even for a browser that has exited.
        page: Page load.
        script: Asynchronous script.
        quit: Browser exit, after which it is killed.
        answer: Answer of a page after its load has been aborted, after which the browser counts as
            lost.
    """

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
    """Open a browser, and remove its processes and its profile at the end.

    All traffic goes through the proxy: pages, scripts, web sockets, WebRTC and the browser's
    telemetry, also to this machine; the browser resolves no host names. Downloads are refused and
    alerts dismissed. The browser does not hide that it is automated. ``PIXMILL_HEADLESS=0`` shows
    its window. Open pages with :func:`pixmill.fetch.browser.visit`.

    On Linux the driver dies with the *thread* that opened it, so this thread must outlive the
    session.

    Args:
        browser: Browser from :func:`.choose_browser`. The browser of a remote driver must reach the
            proxy at the same address; on another machine this needs port forwarding (``ssh -R
            PORT:127.0.0.1:PORT``).
        proxy: URL of a running :class:`pixmill.fetch.proxy.Proxy`.
        profile: Folder for the profiles of all sessions.
        authority: Certificate authority for tests; if given, all certificates are accepted.
        timings: Timeouts.

    Yields:
        The driver. Its commands raise ``BrowserLostError`` once the browser has crashed or hangs.
        Chrome's own commands are sent with ``execute("executeCdpCommand", {"cmd": …, "params":
        …})``.

    Raises:
        BrowserError: The driver or the browser does not start, or a remote browser does not reach
            the proxy.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(browser, RemoteDriver):
            binary = None
            folder = None
            url = browser.url
            login = browser.login
        else:
            profile.mkdir(parents=True, exist_ok=True)
            own = tempfile.TemporaryDirectory(
                prefix="profile-", dir=profile, ignore_cleanup_errors=True
            )
            home = Path(stack.enter_context(own))
            binary = browser.binary
            folder = home / "data"
            login = None
            url, kill = stack.enter_context(running_driver(browser, home / "driver.log"))
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
        driver.command_executor.client_config.timeout = (
            max(timings.page, timings.script) + _SLACK_SECONDS
        )
        yield driver


def _connect(
    browser: Browser | RemoteDriver,
    url: str,
    options: ArgOptions,
    seconds: float,
    login: tuple[str, str] | None,
) -> WebDriver:
    try:
        config = client_config(url, seconds=seconds, login=login)
        return WebDriver(command_executor=url, options=options, client_config=config)
    except (HTTPError, WebDriverException) as error:
        if isinstance(browser, RemoteDriver):
            raise BrowserError(
                (
                    f"the remote driver {browser.url} did not open {browser.kind.title}: "
                    f"{_reason(error)}"
                ),
                next=(
                    "check it with: pixmill doctor browser; set scrape.browsers to as many as it "
                    "opens "
                    "at once"
                ),
            ) from None
        raise BrowserError(
            (
                f"the browser {browser.binary} (version {browser.version}) did not start: "
                f"{_reason(error)}"
            ),
            next=f"find the cause with: {browser.binary} --headless about:blank",
        ) from None


def _reason(error: HTTPError | WebDriverException) -> str:
    if isinstance(error, WebDriverException):
        return (error.msg or "no reason given").splitlines()[0]
    return "no answer in time"


def _quit(driver: WebDriver, watch: Watch, seconds: float) -> None:
    if watch.lost:
        return  # already killed
    driver.command_executor.client_config.timeout = seconds
    # A browser that does not exit in time is killed right after this.
    with contextlib.suppress(BrowserLostError, WebDriverException):
        driver.quit()


def _check_proxy(driver: WebDriver, remote: RemoteDriver, proxy: str) -> None:
    """Check that a remote browser uses this machine's proxy, which is the SSRF guard."""
    try:
        visit(driver, _REFUSED_URL)
        reason = "it connects directly"
    except (LoadTimeoutError, UnreachableError) as error:
        reason = error.message
        if " is not a public address" in reason:
            return
    port = remote.proxy_port or _EXAMPLE_PORT
    setting = "" if remote.proxy_port else f"add ?proxy_port={port} to PIXMILL_WEBDRIVER_URL, then "
    raise BrowserError(
        f"the browser of the remote driver {remote.url} does not use the proxy {proxy} of this "
        "machine, which is the "
        f"SSRF guard: {reason}",
        next=(
            f"{setting}forward the port to each machine with browsers: ssh -N -R "
            f"{port}:127.0.0.1:{port} MACHINE"
        ),
    )


class _Driver(Service):  # type: ignore[misc]
    """A driver that listens on a free port of this machine."""

    def command_line_args(self) -> list[str]:
        """Return the arguments of all drivers."""
        return [f"--port={self.port}"]

    def is_connectable(self) -> bool:
        """Return whether the driver listens; Selenium's own check would use HTTP_PROXY."""
        return bool(utils.is_connectable(self.port))


@contextlib.contextmanager
def running_driver(browser: Browser, log: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a driver, and kill it with all its child processes at the end.

    On Linux the driver dies with the *thread* that started it (``PR_SET_PDEATHSIG``), so this
    thread must outlive the session.

    Args:
        browser: The browser and its driver.
        log: File for the driver's output.

    Yields:
        The driver's URL, and a function that kills the driver and its child processes.

    Raises:
        BrowserError: The driver does not start.
    """
    with contextlib.ExitStack() as stack:
        # Collects the temporary files that a killed browser leaves behind.
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="pixmill-", ignore_cleanup_errors=True)
        )
        output = stack.enter_context(log.open("wb"))
        options = {
            "start_new_session": os.name == "posix",
            "preexec_fn": die_with_parent if sys.platform == "linux" else None,
        }
        environ = os.environ | {"TMPDIR": folder}
        driver = _Driver(str(browser.driver), log_output=output, env=environ, popen_kw=options)
        try:
            driver.start()
        except (OSError, WebDriverException) as error:
            lines = log.read_text(errors="replace").splitlines() or ["it printed nothing"]
            reason = error.msg if isinstance(error, WebDriverException) else error.strerror
            raise BrowserError(
                f"the driver {browser.driver} did not start: {reason}: {lines[-1]}",
                next=f"find the cause with: {browser.driver} --port=0",
            ) from None
        stack.enter_context(driver.process)
        stack.callback(_kill, driver.process)
        yield f"http://127.0.0.1:{driver.port}", partial(_kill, driver.process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name != "posix":
        process.kill()
        return
    # The driver leads a process group that contains all its children. macOS raises PermissionError
    # for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
