"""The interface of sources and their network access, and failures of searches."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard

from pixmill.core.errors import ScrapeError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.words import printable
from pixmill.fetch import Fetched, Refused
from pixmill.scrape.candidate import Candidate, Query

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.scrape.journal import Journal

Kind = Literal["pages", "api", "list", "local"]
"""``pages`` in a browser, an ``api``, a local ``list`` of URLs that each run reads again, or
``local`` files.
"""

Failure = Literal[
    "blocked",
    "captcha",
    "consent",
    "endless",
    "layout_changed",
    "no_results",
    "robots",
    "stalled",
    "timeout",
    "too_few",
    "unreachable",
]
"""Kinds of failures.

``blocked``: block or rate limit; ``captcha``: CAPTCHA; ``consent``: consent dialog without a known
button; ``endless``: the page did not end in time; ``layout_changed``: the selectors match nothing;
``no_results``: the site has no results; ``robots``: disallowed by ``robots.txt``; ``stalled``: the
page stopped before its end; ``timeout``: the page did not load in time; ``too_few``: fewer
candidates than ``scrape.expect_at_least``; ``unreachable``: no network or no such host.
"""

_MAX_MESSAGE_CHARACTERS = 8192
"""Length to which messages are cut; long enough for any requested URL."""

_MAX_HTML_CHARACTERS = 4_000_000
_HTML = "return document.documentElement?.outerHTML.slice(0, arguments[0]).toWellFormed() ?? '';"


class Access(Protocol):
    """Guarded network access of a search; thread-safe."""

    journal: Journal | None
    """Journal of product pages, if any."""

    def find_refusal(self, url: str) -> Refused | None:
        """Return why a page must not be visited; ``None`` if host and ``robots.txt`` allow it."""
        ...

    def ask(self, url: str) -> Fetched | Refused:
        """Return the response of a public API; ``robots.txt`` does not apply to it."""
        ...

    def browser(self) -> AbstractContextManager[WebDriver]:
        """Open a new browser; a context manager that closes it."""
        ...

    def save_failure_page(self, driver: WebDriver, query: Query) -> str:
        """Save the current page and a screenshot; return their folder, for messages."""
        ...


class Source(Protocol):
    """A source of images."""

    name: str
    """Name in ``scrape.source`` and in the manifest."""
    kind: Kind
    """Kind of the source."""
    version: str = ""
    """Version of the results, such as a digest of a plugin's code; empty for built-in sources."""

    def fingerprint(self) -> str:
        """Return a text that changes with the content behind the URLs; empty for the live web."""
        return ""

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return the queries for a class.

        Args:
            label: The class.
            texts: Search texts, at least one. Sources without text search return one query.
        """
        ...

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the candidates for a query, by rank, as a lazy iterator.

        Runs in a thread; several searches of a source may run at the same time.

        Raises:
            SearchError: The search failed or stopped early; candidates yielded before remain valid.
            BrowserLostError: The browser crashed or hangs; the search is repeated in a new one.
            BrowserError: No browser was found.
        """
        ...


class LocalSource(Source, Protocol):
    """A source of local files, which every run reads again.

    Examples:
        A source needs these methods, and a case in ``source_list`` or an entry point in a project:

        >>> class Notes(LocalSource):
        ...     name = "notes"
        ...     kind = "local"
        ...
        ...     def queries(self, label, texts):
        ...         return [Query(label, text, "notes") for text in texts]
        ...
        ...     def search(self, query, access):
        ...         for rank in range(2):
        ...             yield Candidate(query.label, query.text, rank, f"notes/{rank}.gif")
        ...
        ...     def read(self, address, *, max_bytes):
        ...         return Fetched(b"GIF89a" + address.encode(), address)
        >>> notes = Notes()
        >>> [query] = notes.queries("hat", ["red hat"])
        >>> [(each.rank, each.image_url) for each in notes.search(query, access=None)]
        [(0, 'notes/0.gif'), (1, 'notes/1.gif')]
        >>> notes.read("notes/0.gif", max_bytes=1000).content
        b'GIF89anotes/0.gif'
    """

    def labels(self) -> list[str]:
        """Return all classes that the source knows, including undeclared ones."""
        return []

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return the content of a candidate's ``image_url``, or why it is refused."""
        ...


def is_local(source: Source) -> TypeGuard[LocalSource]:
    """Return whether a source reads local files."""
    return source.kind == "local"


class SearchError(ScrapeError):
    """A search failed or stopped early.

    Args:
        failure: Kind of the failure.
        message: Description with the URL. It may quote the site: control characters are escaped,
            and long text is cut.
        advice: Next step for the user; printed once per kind of failure.
        evidence: Folder with the saved page and its screenshot, for messages.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        advice: str | None = None,
        evidence: str | None = None,
    ) -> None:
        super().__init__(printable(message[:_MAX_MESSAGE_CHARACTERS]))
        self.failure: Failure = failure
        self.advice = advice
        self.evidence = evidence


def save_evidence(driver: WebDriver, folder: Path) -> Path:
    """Save the current page as ``page.html``, ``address.txt`` and ``page.png``.

    If the browser cannot return one of them, ``missing.txt`` holds the error, and the rest is
    missing, too.

    Args:
        driver: Driver of the browser.
        folder: Target folder; existing files are removed.

    Returns:
        The folder.

    Raises:
        BrowserLostError: The browser crashed or hangs.
    """
    from selenium.common import WebDriverException

    fresh_folder(folder)
    try:
        (folder / "address.txt").write_text(f"{driver.current_url}\n", encoding="utf-8")
        html = driver.execute_script(_HTML, _MAX_HTML_CHARACTERS)
        (folder / "page.html").write_text(html, encoding="utf-8", errors="replace")
        (folder / "page.png").write_bytes(base64.b64decode(driver.get_screenshot_as_base64()))
    except WebDriverException as error:
        (folder / "missing.txt").write_text(f"{error}\n", encoding="utf-8")
    return folder
