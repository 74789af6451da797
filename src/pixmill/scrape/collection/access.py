"""Network access for searches: sandboxed browsers and the guarded fetcher."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.core.errors import BrowserError, BrowserLostError, ParamsError
from pixmill.core.params import ScrapeParams
from pixmill.core.process.progress import announce
from pixmill.fetch import Fetched, FetchLimits, Network, Politeness, Refused
from pixmill.fetch.fetcher import Fetcher
from pixmill.fetch.guard import NO_PROXY_ADVICE, ignored_proxy
from pixmill.scrape.candidate import Query
from pixmill.scrape.journal import Journal
from pixmill.scrape.sources.source import save_evidence

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.fetch.browser import Browser, RemoteDriver
    from pixmill.fetch.proxy import Proxy

Result = TypeVar("Result")

_POLL_SECONDS = 0.5
"""How often a waiting search checks whether the run ends."""


class StoppedError(Exception):
    """The run is ending."""


NO_ACCESS: Any = None
"""Access of local sources, which do not use the network."""


class NetworkAccess:
    """Give searches, which run in threads, access to the run's fetcher and to browsers.

    Args:
        fetcher: Fetcher of the run.
        network: Reachable network, for browsers.
        scratch: Folder for browser profiles and saved pages.
        journal: Journal of product pages; default: none.
    """

    def __init__(
        self, fetcher: Fetcher, network: Network, scratch: Path, journal: Journal | None = None
    ) -> None:
        self.journal = journal
        self._fetcher = fetcher
        self._network = network
        self._scratch = scratch
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._proxy: Proxy | None = None
        self._browser: Browser | RemoteDriver | None = None
        self._has_started = False

    def find_refusal(self, url: str) -> Refused | None:
        """Return why a page must not be visited; ``None`` if host and ``robots.txt`` allow it."""
        return self.result(self.begin(self._fetcher.find_refusal(url)))

    def ask(self, url: str) -> Fetched | Refused:
        """Return the response of a public API."""
        return self.result(self.begin(self._fetcher.ask(url)))

    @contextlib.contextmanager
    def browser(self) -> Iterator[WebDriver]:
        """Open a new browser that reaches the web only through the guarding proxy.

        Raises:
            BrowserError: No browser was found, or it does not start.
            BrowserLostError: The browser does not start, although an earlier one did.
            StoppedError: The run is ending; also raised by each command of the browser.
        """
        from pixmill.fetch.browser import open_browser

        browser = self.choose_browser()
        profile = self._scratch / "browser"
        authority = self._network.authority
        with self._lock:
            self._proxy = self._proxy or self._open_proxy(browser)
        with contextlib.ExitStack() as stack:
            opening = open_browser(
                browser, proxy=self._proxy.url, profile=profile, authority=authority
            )
            try:
                driver = stack.enter_context(opening)
            except BrowserLostError:
                raise
            except BrowserError as error:
                if not self._has_started:
                    raise
                raise BrowserLostError(error.message, next=error.next) from error
            self._has_started = True
            execute = driver.execute

            def check_ended(*args: Any, **kwargs: Any) -> Any:
                self.check()
                return execute(*args, **kwargs)

            driver.execute = check_ended
            try:
                yield driver
            finally:
                driver.execute = execute  # closing the browser needs it

    def _open_proxy(self, browser: Browser | RemoteDriver) -> Proxy:
        from pixmill.fetch.browser import RemoteDriver
        from pixmill.fetch.proxy import Proxy

        port = browser.proxy_port if isinstance(browser, RemoteDriver) else 0
        try:
            return self._opened.enter_context(Proxy(self._network, port=port))
        except OSError as error:
            if not port:
                raise
            raise BrowserError(
                f"the proxy cannot listen on port {port} of 127.0.0.1, which PIXMILL_WEBDRIVER_URL "
                "names: "
                f"{error.strerror}",
                next=(
                    "wait for the other scrape that uses it, or name another port there and in "
                    "the tunnel"
                ),
            ) from None

    def save_failure_page(self, driver: WebDriver, query: Query) -> str:
        """Save the current page and a screenshot; return their folder, for messages."""
        # One folder per query: a later failure replaces the files.
        name = hashlib.sha256(
            f"{query.address}\0{query.label}".encode("utf-8", "surrogatepass")
        ).hexdigest()[:12]
        folder = save_evidence(driver, self._scratch / "evidence" / name)
        return folder.relative_to(self._scratch.parents[1]).as_posix()

    def begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Start a coroutine on the event loop.

        Raises:
            StoppedError: The run is ending.
        """
        if self._stop.is_set():
            work.close()
            raise StoppedError
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def result(self, begun: Future[Result]) -> Result:
        """Return the result of a future.

        Raises:
            StoppedError: The run is ending.
        """
        while not begun.done():
            wait([begun], timeout=_POLL_SECONDS)
            if self._stop.is_set():
                begun.cancel()
                raise StoppedError
        return begun.result()

    def check(self) -> None:
        """Raise :class:`StoppedError` if the run is ending."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """End all searches."""
        self._stop.set()

    def close(self) -> None:
        """Stop the proxy."""
        self._opened.close()

    def choose_browser(self) -> Browser | RemoteDriver:
        """Return the browser for searches without starting it.

        Raises:
            BrowserError: No browser was found, or its driver does not fit.
        """
        from pixmill.fetch.browser import choose_browser

        with self._lock:
            self._browser = self._browser or choose_browser()
            return self._browser


@contextlib.asynccontextmanager
async def open_access(
    params: ScrapeParams,
    *,
    served: Mapping[str, int],
    network: Network | None,
    scratch: Path,
    journal: Journal | None = None,
) -> AsyncIterator[tuple[Fetcher, NetworkAccess]]:
    """Open the fetcher and the access for searches.

    Args:
        params: Limits and politeness settings.
        served: Local ports by served origin (``name:port``).
        network: Reachable hosts in addition to the public internet.
        scratch: Scratch folder of the stage.
        journal: Journal of product pages; default: none.

    Raises:
        ParamsError: A host name in the params is invalid.
    """
    if not served and (remark := ignored_proxy()):
        announce(f"warning: {remark}. If sites are unreachable: {NO_PROXY_ADVICE}")
    given = network or Network()
    reach = dataclasses.replace(
        given,
        served={**given.served, **served},
        allowed=given.allowed | frozenset(params.allow_hosts),
    )
    limits = FetchLimits(
        max_bytes=params.max_bytes,
        timeout=params.timeout,
        connections=params.connections,
        per_host=params.per_host,
    )
    politeness = Politeness(
        contact=params.contact,
        rate=params.rate,
        opt_out=frozenset(params.opt_out),
        robots_exceptions=frozenset(params.robots_exceptions),
        own=frozenset(origin.rpartition(":")[0] for origin in served),
    )
    try:
        opening = Fetcher(limits, politeness, reach)
    except ValueError as error:
        raise ParamsError(
            f"scrape: expected host names in opt_out, robots_exceptions and allow_hosts: {error}",
            next="edit params.yaml, then: pixmill doctor --quick",
        ) from None
    async with opening as fetcher:
        with contextlib.closing(NetworkAccess(fetcher, reach, scratch, journal)) as access:
            yield fetcher, access
