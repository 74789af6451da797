"""The bundled web shop, walked through by a real browser like any site on the web."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote_plus, urlsplit

from pixmill.fetch import Fetcher, Limits
from pixmill.files import file_digest
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.listing import Listing, Selectors
from pixmill.shop import ORIGIN, Shop

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["ShopSource"]

_HOST = urlsplit(ORIGIN).netloc

_LISTING = Listing(
    Selectors(
        card="article.card[data-product-id]",
        key="data-product-id",
        picture="img.card-picture",
        link="a.card-link",
        title=".card-title",
        price=".card-price",
        consent="#consent-accept",
        more="#show-more",
        end="[data-end-of-results]",
        nothing="[data-no-results]",
    )
)


class ShopSource:
    """Serve the shop on a free port, and find its products by searching for each class; a context manager.

    The shop's name stands in every output, its port in none. The browser is opened by the first query that the journal
    cannot answer, and knows the shop alone.

    Args:
        data: The pictures that the shop sells.
        scratch: The place for the browser's profile.

    Raises:
        DataError: The folder is missing or holds no class.
    """

    name = "shop"
    is_web = True

    def __init__(self, data: Path, scratch: Path) -> None:
        self._data = data
        self._scratch = scratch
        self._shop = Shop(data)
        self._opened = ExitStack()
        self._driver: WebDriver | None = None

    def __enter__(self) -> Self:
        self._opened.enter_context(self._shop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver = None
        self._opened.close()

    def fingerprint(self) -> str:
        """Return a digest of all that the shop is made of."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self._data.rglob("*") if path.is_file()):
            name = path.relative_to(self._data).as_posix()
            digest.update(f"{name}\0{file_digest(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def queries(self, classes: Sequence[str]) -> list[Query]:
        """Return a search for each class by its name."""
        return [Query(label, label, f"{ORIGIN}/search?q={quote_plus(label)}") for label in classes]

    def search(self, query: Query) -> Iterator[Candidate]:
        """Yield the products that the shop finds, in its own order."""
        cards = _LISTING.read(self._browser(), query.address)
        for rank, card in enumerate(cards):
            yield Candidate(
                query.label, query.text, rank, card.picture, card.page or query.address, card.title, card.price
            )

    def reader(self, limits: Limits) -> AbstractAsyncContextManager[Fetcher]:
        """Return a guarded fetcher that knows the shop by name."""
        return Fetcher(limits, hosts={_HOST: self._shop.port})

    def _browser(self) -> WebDriver:
        if self._driver is None:
            from pixmill.browser import find_browser, open_browser

            browser = open_browser(
                find_browser(),
                resolve={_HOST: f"127.0.0.1:{self._shop.port}"},
                profile=self._scratch / "browser",
            )
            self._driver = self._opened.enter_context(browser)
        return self._driver
