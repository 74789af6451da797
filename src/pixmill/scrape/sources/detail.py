"""Pages of single results, which show larger images than the results page."""

import json
import time
from dataclasses import replace

from pixmill.scrape.sources.browsing import ADDRESS, Page, origin, without_fragment
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.tile import Tile

NO_DETAIL = "no detail"
"""Prefix of the route of a result whose page shows no image; the reason follows in brackets."""

_PICTURE = "return picture(document, site.selectors.item);"

_TIMEOUT_SECONDS = 4.0
"""Scripts show an image within two seconds, or never."""

_POLL_SECONDS = 0.25

_MAX_MISSES = 10
"""Pages in a row without an image after which the selectors must be wrong, and no more pages are visited."""


class Details:
    """Open the pages of a search's results, one after another, with the same checks as a results page.

    Args:
        page: The results page; its browser is reused.

    Attributes:
        page: The page of a result.
    """

    def __init__(self, page: Page) -> None:
        image = page.site.detail.image if page.site.detail else ()
        site = page.site.model_copy(update={"selectors": {"item": image}})
        self.page = Page(page.driver, site, page.query, page.access)
        self._misses = 0

    def __call__(self, tile: Tile) -> Tile:
        """Return a tile with the image of its page; its previous image becomes the thumbnail.

        Raises:
            SearchError: The site blocks this browser or shows a CAPTCHA.
            BrowserLostError: The browser crashed or hangs.
        """
        image, why = (None, "not visited") if self._misses >= _MAX_MISSES else self._find(tile.page)
        self._misses = 0 if image else self._misses + 1
        small = tile.image or tile.thumbnail
        route = "detail" if image else f"{NO_DETAIL} ({why})"
        return replace(
            tile, image=image, thumbnail=None if small == image else small, width=None, height=None, route=route
        )

    def _find(self, url: str | None) -> tuple[str | None, str]:
        """Return the image of a page and why there is none, from the journal if possible."""
        if url is None:
            return None, "no link"
        if origin(url) != origin(self.page.query.address):
            return None, "another host"
        site, journal = self.page.site, self.page.access.journal
        name = json.dumps([url, site.selectors["item"], site.addresses, site.placeholders])
        if journal is not None and (known := journal.product_page(name)):
            return known
        image, why = self._read(url)
        if journal is not None and (image or why in ("not shown", "status 404", "status 410")):
            journal.save_product_page(name, image, why)
        return image, why

    def _read(self, url: str) -> tuple[str | None, str]:
        self.page.status = 0
        try:
            self.page.open(url)
        except SearchError as failed:
            if self.page.status >= 400:
                return None, f"status {self.page.status}"
            if failed.failure in ("robots", "timeout", "unreachable"):
                return None, failed.failure
            raise
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while (image := self.page.run(_PICTURE, answer=ADDRESS)) is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        verdict = self.page.verdict()
        if verdict.state != "empty":
            self.page.raise_for_state(verdict)
        if (arrived := self.page.arrived) != without_fragment(url):
            if origin(arrived) != origin(self.page.query.address):
                return None, "another host"
            if refused := self.page.access.find_refusal(arrived):
                return None, refused.reason
        return image, "not shown"
