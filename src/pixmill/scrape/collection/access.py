"""The ways out that a search is given: pages by a caged browser, APIs by the guarded fetcher."""

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
from pixmill.scrape.candidate import Query
from pixmill.scrape.journal import Journal
from pixmill.scrape.sources.failure import save_evidence
from pixmill.web.fetch import Fetched, Fetcher, FetchLimits, Network, Politeness, Refused

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.web.browser import Browser, RemoteDriver
    from pixmill.web.fetch.proxy import Proxy

Result = TypeVar("Result")

_LOOK_SECONDS = 0.5
"""How often a search that waits looks whether the run ends."""


class StoppedError(Exception):
    """Ask a search to end, since the run does."""


class _Nowhere:
    """Give nothing to sources that read what lies on this machine."""

    def _refuse(self, *received: object, **_: object) -> Any:
        raise ValueError(f"expected no use of the network by a source on this machine, received {received}")

    journal: Journal | None = None
    find_refusal = ask = browser = witness = _refuse


NOWHERE = _Nowhere()
"""What sources are given that reach nothing but this machine."""


class NetworkAccess:
    """Let searches, each in a thread of its own, use what the run's event loop and proxy guard.

    Args:
        fetcher: The run's fetcher.
        network: What it may reach, for browsers.
        scratch: The place for the profiles of browsers and for evidence.
        journal: Where product pages are remembered; default: nowhere.
    """

    def __init__(self, fetcher: Fetcher, network: Network, scratch: Path, journal: Journal | None = None) -> None:
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
        """Return why a page must not be visited, or ``None`` once its host and ``robots.txt`` let us."""
        return self.result(self.begin(self._fetcher.find_refusal(url)))

    def ask(self, url: str) -> Fetched | Refused:
        """Return the answer of an API that is published for programs."""
        return self.result(self.begin(self._fetcher.ask(url)))

    @contextlib.contextmanager
    def browser(self) -> Iterator[WebDriver]:
        """Open a fresh browser that reaches the web through the guarding proxy alone.

        Raises:
            BrowserError: There is none, or it does not start.
            BrowserLostError: It does not start this time, though one did before.
            StoppedError: The run ends; each command of the browser raises it then.
        """
        from pixmill.web.browser import open_browser

        browser, profile, authority = self.choose_browser(), self._scratch / "browser", self._network.authority
        with self._lock:
            self._proxy = self._proxy or self._open_proxy(browser)
        with contextlib.ExitStack() as stack:
            opening = open_browser(
                browser,
                proxy=self._proxy.url,
                profile=profile,
                authority=authority,
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
                driver.execute = execute  # which closes the browser

    def _open_proxy(self, browser: Browser | RemoteDriver) -> Proxy:
        from pixmill.web.browser import RemoteDriver
        from pixmill.web.fetch.proxy import Proxy

        port = browser.proxy_port if isinstance(browser, RemoteDriver) else 0
        try:
            return self._opened.enter_context(Proxy(self._network, port=port))
        except OSError as error:
            if not port:
                raise
            raise BrowserError(
                f"the proxy cannot listen on port {port} of 127.0.0.1, which PIXMILL_WEBDRIVER_URL names: "
                f"{error.strerror}",
                next="wait for the other scrape that uses it, or name another port there and in the tunnel",
            ) from None

    def witness(self, driver: WebDriver, query: Query) -> str:
        """Save the page that a browser shows and a screenshot of it; return their folder, for messages."""
        # The same search gets the same folder, so that evidence is replaced rather than piled up.
        name = hashlib.sha256(f"{query.address}\0{query.label}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        folder = save_evidence(driver, self._scratch / "evidence" / name)
        return folder.relative_to(self._scratch.parents[1]).as_posix()

    def begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin some work on the event loop.

        Raises:
            StoppedError: The run ends.
        """
        if self._stop.is_set():
            work.close()
            raise StoppedError
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def result(self, begun: Future[Result]) -> Result:
        """Wait for what was begun.

        Raises:
            StoppedError: The run ends.
        """
        while not begun.done():
            wait([begun], timeout=_LOOK_SECONDS)
            if self._stop.is_set():
                begun.cancel()
                raise StoppedError
        return begun.result()

    def check(self) -> None:
        """Raise :class:`StoppedError` where the run ends."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Ask all searches to end."""
        self._stop.set()

    def close(self) -> None:
        """Stop the proxy, once all browsers are gone."""
        self._opened.close()

    def choose_browser(self) -> Browser | RemoteDriver:
        """Return the browser that searches are given, without starting it.

        Raises:
            BrowserError: There is none, or its driver does not fit it.
        """
        from pixmill.web.browser import choose_browser

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
    """Open the fetcher and the access of searches, with the limits and politeness settings of the params.

    Args:
        params: Limits and politeness.
        served: The origins that the sources serve themselves, as ``name:port``, each with its port on this machine.
        network: What else may be reached beside the public internet.
        scratch: The stage's scratch place.
        journal: Where product pages are remembered; default: nowhere.

    Raises:
        ParamsError: The params name a host that cannot be one.
    """
    given = network or Network()
    reach = dataclasses.replace(
        given, served={**given.served, **served}, allowed=given.allowed | frozenset(params.allow_hosts)
    )
    limits = FetchLimits(
        max_bytes=params.max_bytes, timeout=params.timeout, connections=params.connections, per_host=params.per_host
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
            next="edit params.yaml, then: pixmill check",
        ) from None
    async with opening as fetcher:
        with contextlib.closing(NetworkAccess(fetcher, reach, scratch, journal)) as access:
            yield fetcher, access
