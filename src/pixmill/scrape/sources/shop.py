"""The source ``shop``: the bundled web shop, served locally and scraped like any site."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pixmill.core.files.writing import file_digest
from pixmill.local.shop.catalogue import ORIGIN, Catalogue
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import Access, SearchError


class ShopSource(SiteSource):
    """Serve the shop on a free port and search it; a context manager.

    Outputs contain the shop's host name but not its port.

    Args:
        site: Description of the site.
        data: Folder with the images of the products.

    Raises:
        DataError: The folder is missing, has no class, or has links out of it.
    """

    def __init__(self, site: SiteDefinition, data: Path) -> None:
        super().__init__(site)
        self._data = data
        self.served = dict[str, int]()
        """The local port by the shop's origin (``name:port``), while the shop is served."""
        Catalogue(data)

    def __enter__(self) -> Self:
        from pixmill.local.shop.server import Shop

        self._open = contextlib.ExitStack()
        shop = self._open.enter_context(Shop(self._data))
        self.served = {f"{urlsplit(ORIGIN).hostname}:80": shop.port}
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the products that the shop finds.

        Raises:
            SearchError: The shop does not respond, or has no such product.
            BrowserLostError: The browser crashed or hangs.
        """
        try:
            yield from super().search(query, access)
        except SearchError as failed:
            if failed.failure == "no_results":
                sold = f"the bundled shop shows the images of {self._data.name}/"
                failed.advice = f"{sold}; use its folder names in classes or scrape.queries"
            raise

    def fingerprint(self) -> str:
        """Return a digest of all files in the folder."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self._data.rglob("*") if path.is_file()):
            name = path.relative_to(self._data).as_posix()
            digest.update(f"{name}\0{file_digest(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
