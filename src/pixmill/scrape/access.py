"""The ways out that a search is given: pages by a caged browser, APIs by the guarded fetcher."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill.errors import BrowserError, BrowserLost
from pixmill.fetch import Fetched, Fetcher, Network, Refused
from pixmill.scrape.candidate import Query

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.browser import Browser, Grid

__all__ = ["NOWHERE", "NetworkAccess", "Stopped"]

Result = TypeVar("Result")

_LOOK_SECONDS = 0.5
"""How often a search that waits looks whether the run ends."""


class Stopped(Exception):  # noqa: N818 (a request, not a fault)
    """Ask a search to end, since the run does."""


class _Nowhere:
    """Give nothing to sources that read what lies on this machine."""

    def permitted(self, url: str) -> Refused | None:
        raise ValueError(f"expected no question from a source on this machine, received {url}")

    def ask(self, url: str) -> Fetched | Refused:
        raise ValueError(f"expected no question from a source on this machine, received {url}")

    def browser(self) -> contextlib.AbstractContextManager[WebDriver]:
        raise ValueError("expected no use of a browser by a source on this machine")

    def witness(self, driver: WebDriver, query: Query) -> str:
        raise ValueError(f"expected no page of a source on this machine, received {query} in {driver}")


NOWHERE = _Nowhere()
"""What sources are given that reach nothing but this machine."""


class NetworkAccess:
    """Let searches, each in a thread of its own, use what the run's event loop and proxy guard.

    Args:
        fetcher: The run's fetcher.
        network: What it may reach, for browsers.
        scratch: The place for the profiles of browsers and for evidence.
    """

    def __init__(self, fetcher: Fetcher, network: Network, scratch: Path) -> None:
        self._fetcher = fetcher
        self._network = network
        self._scratch = scratch
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._proxy: str | None = None
        self._browser: Browser | Grid | None = None
        self._has_started = False

    def permitted(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` once its host and ``robots.txt`` let us."""
        return self.wait_for(self._fetcher.permitted(url))

    def ask(self, url: str) -> Fetched | Refused:
        """Return the answer of an API that is published for programs."""
        return self.wait_for(self._fetcher.ask(url))

    @contextlib.contextmanager
    def browser(self) -> Iterator[WebDriver]:
        """Open a fresh browser that reaches the web through the guarding proxy alone.

        Raises:
            BrowserError: There is none, or it does not start.
            BrowserLost: It does not start, where others of the run did: the next one may.
            Stopped: The run ends; each command of the browser raises it then.
        """
        from pixmill.browser import open_browser

        browser, proxy = self._equipment()
        opening = open_browser(
            browser, proxy=proxy, profile=self._scratch / "browser", authority=self._network.authority
        )
        with contextlib.ExitStack() as stack:
            try:
                driver = stack.enter_context(opening)
            except BrowserError as error:
                if self._has_started:
                    raise BrowserLost(error.message, next=error.next) from None
                raise
            self._has_started = True
            execute = driver.execute
            driver.execute = self._unless_stopped(execute)
            try:
                yield driver
            finally:
                driver.execute = execute  # which closes the browser

    def witness(self, driver: WebDriver, query: Query) -> str:
        """Save the page that a browser shows and a screenshot of it; return their folder, for messages."""
        from pixmill.scrape.sources.evidence import save_evidence

        # The same search gets the same folder, so that evidence is replaced rather than piled up.
        name = hashlib.sha256(f"{query.address}\0{query.label}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        folder = save_evidence(driver, self._scratch / "evidence" / name)
        return folder.relative_to(self._scratch.parents[1]).as_posix()

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what some work on the event loop comes to.

        Raises:
            Stopped: The run ends.
        """
        return self.result(self.begin(work))

    def begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin some work on the event loop.

        Raises:
            Stopped: The run ends.
        """
        if self._stop.is_set():
            work.close()
            raise Stopped
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def result(self, begun: Future[Result]) -> Result:
        """Wait for what was begun.

        Raises:
            Stopped: The run ends.
        """
        while not begun.done():
            wait([begun], timeout=_LOOK_SECONDS)
            if self._stop.is_set():
                begun.cancel()
                raise Stopped
        return begun.result()

    def check(self) -> None:
        """Raise :class:`Stopped` where the run ends."""
        if self._stop.is_set():
            raise Stopped

    def stop(self) -> None:
        """Ask all searches to end."""
        self._stop.set()

    def close(self) -> None:
        """Stop the proxy, once all browsers are gone."""
        self._opened.close()

    def _unless_stopped(self, work: Callable[..., Result]) -> Callable[..., Result]:
        def checked(*args: Any, **kwargs: Any) -> Result:
            self.check()
            return work(*args, **kwargs)

        return checked

    def choose_browser(self) -> Browser | Grid:
        """Return the browser that searches are given, without starting it.

        Raises:
            BrowserError: There is none, or its driver does not fit it.
        """
        from pixmill.browser import choose_browser

        with self._lock:
            if self._browser is None:
                self._browser = choose_browser()
            return self._browser

    def _equipment(self) -> tuple[Browser | Grid, str]:
        """Return the browser and the proxy, which the first search that needs them starts for all."""
        from pixmill.fetch.proxy import Proxy

        browser = self.choose_browser()
        with self._lock:
            if self._proxy is None:
                self._proxy = self._opened.enter_context(Proxy(self._network)).url
            return browser, self._proxy
