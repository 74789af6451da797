"""What every source of images can do, and what it is given to do it with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, Protocol, TypeGuard

from pixmill.scrape.candidate import Candidate, Query
from pixmill.web.fetch import Fetched, Refused

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pixmill.scrape.journal import Journal


class Access(Protocol):
    """The ways out that a search is given; all of them are guarded, and may be used from any thread."""

    journal: Journal | None
    """Where product pages are remembered; ``None``: nowhere."""

    def find_refusal(self, url: str) -> Refused | None:
        """Return why a page must not be visited, or ``None`` once its host and ``robots.txt`` let us."""
        ...

    def ask(self, url: str) -> Fetched | Refused:
        """Return the answer of an API that is published for programs; ``robots.txt`` speaks of pages, not of these."""
        ...

    def browser(self) -> AbstractContextManager[WebDriver]:
        """Open a fresh browser, which is closed with the block."""
        ...

    def witness(self, driver: WebDriver, query: Query) -> str:
        """Save the page that a browser shows and a screenshot of it; return their folder, for messages."""
        ...


Kind = Literal["pages", "api", "list", "local"]
"""How a source answers: ``pages`` in a browser, by an ``api``, from a ``list`` of addresses that lies on this machine
and is read again each time, or with ``local`` files."""


class Source(Protocol):
    """Turn a query into a stream of candidates."""

    name: str
    """Its name in ``scrape.source`` and in the manifest."""
    kind: Kind
    """How it answers."""
    version: str = ""
    """What its answers follow from beside the query, such as a digest of a plugin's code; empty for built-in ones."""

    def fingerprint(self) -> str:
        """Return a text that changes when the bytes behind its addresses do; empty for what is read anew each time."""
        return ""

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return what is asked for a class.

        Args:
            label: The class.
            texts: What people look for, at least one; sources that need no words return one query.
        """
        ...

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the candidates that answer a query, by rank, no sooner than they are asked for.

        Runs in a thread of its own; several searches of one source may run at the same time.

        Raises:
            SearchError: The source cannot answer, or stops before the end; what it has yielded holds.
            BrowserLostError: The browser crashed or hangs; the search is begun again in a new one.
            BrowserError: There is no browser.
        """
        ...


class LocalSource(Source, Protocol):
    """A source on this machine: its files are read again by every run, without asking for permission.

    Examples:
        A class with these methods makes a source; a case in ``source_list``, or in
        a project an entry point, lets ``scrape.source`` name it:

        >>> class Notes(LocalSource):
        ...     name = "notes"
        ...     kind = "local"
        ...
        ...     def queries(self, label, texts):
        ...         return [Query(label, text, "notes") for text in texts]
        ...
        ...     def search(self, query, access):
        ...         for rank in range(2):
        ...             yield Candidate(query.label, query.text, rank, f"notes/{rank}.gif", licence="CC0")
        ...
        ...     def read(self, address, *, max_bytes):
        ...         return Fetched(b"GIF89a" + address.encode(), address)
        >>> notes = Notes()
        >>> [query] = notes.queries("hat", ["red hat"])
        >>> [(candidate.rank, candidate.image_url) for candidate in notes.search(query, access=None)]
        [(0, 'notes/0.gif'), (1, 'notes/1.gif')]
        >>> notes.read("notes/0.gif", max_bytes=1000).content
        b'GIF89anotes/0.gif'
    """

    def labels(self) -> list[str]:
        """Return the classes that it knows beside the declared ones."""
        return []

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return the bytes of a candidate's ``image_url``, or why there are none."""
        ...


def is_local(source: Source) -> TypeGuard[LocalSource]:
    """Tell whether a source's images lie on this machine."""
    return source.kind == "local"
