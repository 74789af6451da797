"""The page of one result, which shows its image larger than the page of results does."""

import json
import time
from dataclasses import replace

from pixmill.scrape.sources.browsing import ADDRESS, Page, document, origin
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.tile import Tile

NO_DETAIL = "no detail"
"""How the route of a result begins whose page did not show its image; why stands in brackets behind it."""

_PICTURE = "return picture(document, site.selectors.item);"

_WAIT_SECONDS = 4.0
"""Scripts show an image within two seconds, or never."""

_LOOK_SECONDS = 0.25

_FRUITLESS = 10
"""After so many pages in a row without the image, the selectors are wrong, and no other page is visited."""


class Details:
    """Visit the pages of one search's results, each like a page of results: permitted, in turn, and told from a block.

    Args:
        page: The page of results, whose browser shows these pages in its place.

    Attributes:
        page: The page of a result, whose image takes the place of the results.
    """

    def __init__(self, page: Page) -> None:
        image = page.site.detail.image if page.site.detail else ()
        site = page.site.model_copy(update={"selectors": {"item": image}})
        self.page = Page(page.driver, site, page.query, page.access)
        self._fruitless = 0

    def __call__(self, tile: Tile) -> Tile:
        """Return a tile with the image of its page, or else with its own image as a thumbnail.

        Raises:
            SearchError: The site blocks us, or asks for a proof of being human.
            BrowserLostError: The browser crashed or hangs.
        """
        image, why = (None, "not visited") if self._fruitless >= _FRUITLESS else self._find(tile.page)
        self._fruitless = 0 if image else self._fruitless + 1
        small = tile.image or tile.thumbnail
        route = "detail" if image else f"{NO_DETAIL} ({why})"
        return replace(
            tile, image=image, thumbnail=None if small == image else small, width=None, height=None, route=route
        )

    def _find(self, url: str | None) -> tuple[str | None, str]:
        """Return the image on a page, or why there is none, as it was remembered or as it is now."""
        if url is None:
            return None, "no link"
        if origin(url) != origin(self.page.query.address):
            return None, "another host"
        site, journal = self.page.site, self.page.access.journal
        name = json.dumps([url, site.selectors["item"], site.addresses, site.placeholders])
        if journal is not None and (known := journal.product_page(name)):
            return known
        image, why = self._look(url)
        if journal is not None and (image or why in ("not shown", "status 404", "status 410")):
            journal.keep_product_page(name, image, why)
        return image, why

    def _look(self, url: str) -> tuple[str | None, str]:
        self.page.status = 0  # that of the page before
        try:
            self.page.open(url)
        except SearchError as failed:
            if self.page.status >= 400:
                return None, f"status {self.page.status}"
            if failed.failure in ("robots", "timeout", "unreachable"):
                return None, failed.failure
            raise
        deadline = time.monotonic() + _WAIT_SECONDS
        while (image := self.page.run(_PICTURE, answer=ADDRESS)) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        # Beside its image, no words on a page speak of a CAPTCHA.
        verdict = self.page.verdict()
        if verdict.state != "empty":
            self.page.judge(verdict)
        if (arrived := self.page.arrived) != document(url):
            if origin(arrived) != origin(self.page.query.address):
                return None, "another host"
            if refused := self.page.access.find_refusal(arrived):
                return None, refused.reason
        return image, "not shown"
