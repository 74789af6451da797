"""Sources that read results pages in a browser, as described by a file of ``sites/``."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from pydantic import TypeAdapter

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.browsing import (
    ADDRESS,
    ALTERNATIVES,
    Page,
    PageView,
    origin,
    without_fragment,
)
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.source import Access, Kind, SearchError, Source
from pixmill.scrape.sources.tile import Tile, Tiles

Resolve = Callable[[Page, Tile], Tile]
"""Return a tile with its original, found by a click for example; the same tile if there is none."""

_NEXT = "return onward()[1];"

_FAILED_REQUESTS = """
  return performance.getEntriesByType("resource").some((
    { name, initiatorType, responseStatus: status }) =>
    ["fetch", "xmlhttprequest"].includes(initiatorType) && new URL(name).origin === location.origin
      && (status === 0 || status === 429 || status >= 500));
"""
"""Whether a request of the page failed, so that it may have stopped before its end."""

_TRUTH = TypeAdapter(bool)

_COMMON_FIELDS = ("title", "price", "route", "total")
"""Fields that a tile and a candidate share."""

_MAX_STALE_PAGES = 3
"""Pages in a row without new results after which paging must be circular."""

_MAX_PRESSES = 3
"""Presses of a consent or dismiss button per page."""

NO_DETAIL = "no detail"
"""Prefix of the route of a result whose page shows no image; the reason follows in brackets."""

_PICTURE = "return picture(document, site.selectors.item);"
_DETAIL_TIMEOUT_SECONDS = 4.0
"""Scripts show an image within two seconds, or never."""

_DETAIL_POLL_SECONDS = 0.25
_MAX_DETAIL_MISSES = 10
"""Pages in a row without an image after which the selectors must be wrong."""


@dataclass
class _Scrolled:
    """What scrolling a page has shown.

    Args:
        tiles: Tiles of this visit; those of the query may be known from an earlier one.
        stall: Tells when nothing new appears any more.
        presses: How often each button in the way may still be pressed.
        shown: Number of results in the last view.
        turns: How often the next button was pressed.
        fresh: Whether the last view had a new result.
        ended: Whether the last view was the end.
        is_new: Whether the page, or the one after a turn, has shown no result yet.
    """

    tiles: Tiles
    stall: StallDetector
    presses: dict[str, int]
    shown: int = 0
    turns: int = 0
    fresh: bool = False
    ended: bool = False
    is_new: bool = True

    def buttons(self) -> list[str]:
        """Return the buttons that may be pressed now."""
        buttons = [kind for kind, left in self.presses.items() if left]
        return buttons + ["more"] * self.stall.may_click + ["next"] * (not self.stall.awaits)


class SiteSource(Source):
    """Read the results pages of a site.

    The site's script (``SiteDefinition.script``) is the body of a function, run after
    ``prelude.js``. It returns tiles as objects with the fields of :class:`Tile`, and may use
    ``site`` (the definition) and ``complete`` (keys of tiles whose original is known, which it may
    skip). A tile without its original may be returned again with it.

    Args:
        site: Description of the site.
        name: Name in params and tables; default: the name of the site.
        wanted: Estimated number of needed results; a search that opens a page per result starts
            with as many.

    Attributes:
        pages: Number of pages with results that were read, for a source with one search.
    """

    kind: Kind = "pages"

    def __init__(
        self, site: SiteDefinition, *, name: str | None = None, wanted: int | None = None
    ) -> None:
        self.name = name or site.name
        self.site = site
        self.wanted = wanted
        self.pages = 0

    def resolver(self) -> Resolve | None:
        """Return what finds missing originals at the end of a page; default: nothing."""
        return None

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a query for each text."""
        return [Query(label, text, self.site.address(text)) for text in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the results in the order of the site, each once.

        Raises:
            SearchError: The site failed, or stopped before its end.
            BrowserLostError: The browser crashed or hangs.
        """
        with access.browser() as driver:
            page = Page(driver, self.site, query, access)
            budget = _Budget(self.site.settings.longest)
            for rank, tile in enumerate(self._tiles(page, budget)):
                began = time.monotonic()
                yield self._candidate(query, rank, tile)
                # Do not count the time that the consumer takes.
                budget.extend(time.monotonic() - began)

    def _candidate(self, query: Query, rank: int, tile: Tile) -> Candidate:
        image = tile.image
        thumbnail = tile.thumbnail
        width = tile.width
        height = tile.height
        if image is not None:
            original = self.site.original(image)
            if original != image:
                # The rewritten URL may not exist; keep the shown image as the thumbnail.
                thumbnail = thumbnail or image
                image = original
                width = height = None
            elif tile.page is not None and tile.route == "attribute" and self.name != "shop":
                # The page behind the link may show a larger one.
                thumbnail = thumbnail or image
        page = tile.page or query.address
        same = {name: getattr(tile, name) for name in _COMMON_FIELDS}
        return Candidate(
            query.label,
            query.text,
            rank,
            image,
            thumbnail,
            page,
            width=width,
            height=height,
            **same,
        )

    def _tiles(self, page: Page, budget: _Budget) -> Iterator[Tile]:
        """Yield the tiles of all pages."""
        details = Details(page) if self.site.detail else None
        most = self.site.settings.most
        tiles = Tiles(most if details is None else min(self.wanted or most, most))
        visited: set[str] = set()
        stale_pages = 0
        url: str | None = page.query.address
        while (
            url is not None
            and url not in visited
            and stale_pages < _MAX_STALE_PAGES
            and not tiles.full
        ):
            visited.add(url)
            here = url
            known = len(tiles)
            verdict = page.open(url)
            if verdict.state == "empty" and known:
                return
            page.raise_for_state(verdict)
            shown = self._new_tiles(page, tiles, budget, onward=len(visited) > 1)
            if details is None:
                yield from shown
            held = list(shown)  # detail pages are opened in the same browser, after this page
            if tiles.have_no_images and details is None:
                page.fail_layout("image")
            stale_pages = stale_pages + 1 if len(tiles) == known else 0
            try:
                url = self._next(page, len(visited))  # before the browser leaves this page
            finally:
                yield from self._detailed(page, [*held, *tiles.remaining()], details, budget)
            if tiles.full and tiles.limit < most:
                # Some tiles were duplicates or refused: continue on this page.
                tiles.limit = min(2 * tiles.limit, most)
                url = here
                visited.discard(here)

    def _detailed(
        self, page: Page, tiles: Sequence[Tile], details: Details | None, budget: _Budget
    ) -> Iterator[Tile]:
        """Yield tiles with what their own pages add, if the site has such pages."""
        if details is None:
            yield from tiles
            return
        for tile in tiles:
            if budget.spent:
                self._fail_endless(page)
            yield details(tile)

    def _new_tiles(
        self, page: Page, tiles: Tiles, budget: _Budget, *, onward: bool
    ) -> Iterator[Tile]:
        """Yield the new tiles of the open page; if one of its requests failed, open it again."""
        resolve = self.resolver()
        yield from self._read(page, tiles, budget, resolve, onward=onward)
        if page.run(_FAILED_REQUESTS, answer=_TRUTH) and not tiles.full:
            page.raise_for_state(page.open(page.url))
            yield from self._read(page, tiles, budget, resolve, onward=onward)

    def _read(
        self, page: Page, tiles: Tiles, budget: _Budget, resolve: Resolve | None, *, onward: bool
    ) -> Iterator[Tile]:
        """Yield the tiles of the open page, and resolve missing originals."""
        yield from self._scroll(page, tiles, budget, waits=resolve is None, onward=onward)
        for tile in tiles.without_original():
            if resolve is None or budget.spent:
                return
            tiles.take(resolve(page, tile))
            yield from tiles.ready()

    def _scroll(
        self, page: Page, tiles: Tiles, budget: _Budget, *, waits: bool, onward: bool
    ) -> Iterator[Tile]:
        """Scroll the open page and yield its tiles, up to the first without original.

        Args:
            page: The page.
            tiles: Tiles of the query.
            budget: Remaining time.
            waits: Whether to wait for images that load lazily.
            onward: Whether the page is not the first.
        """
        settings = self.site.settings
        presses = dict.fromkeys(("consent", "dismiss"), _MAX_PRESSES)
        state = _Scrolled(Tiles(settings.most), StallDetector(settings.patience), presses)
        stall = state.stall
        while not stall.is_over:
            if budget.spent:
                self._fail_endless(page)
            view = self._look(page, tiles, state)
            yield from tiles.ready()
            # On a busy machine the end mark may appear before the last images.
            is_loading = waits and bool(tiles.without_original())
            if tiles.full or (state.ended and view.bottom and not is_loading):
                return
            if stall.back or view.count < state.shown:
                page.raise_for_state(page.verdict())
            state.shown = view.count
            clicked = view.pressed in ("more", "next")
            stall.record(view.count, view.position, fresh=state.fresh, clicked=clicked)
            time.sleep(random.uniform(*settings.pause))  # noqa: S311 (a pause is no secret)
        self._check_end(page, len(tiles), state, onward=onward)

    def _look(self, page: Page, tiles: Tiles, state: _Scrolled) -> PageView:
        """Scroll on, press a button if one is due, and take what the page shows then."""
        stall = state.stall
        view = page.look(
            state.tiles.complete,
            buttons=state.buttons(),
            smooth=self.site.settings.smooth,
            back=stall.back,
        )
        for tile in view.tiles:
            tiles.take(tile)
        state.fresh = sum(state.tiles.take(tile) for tile in view.tiles) > 0
        if state.fresh and state.is_new:
            self.pages += 1
            state.is_new = False
        if view.pressed in state.presses:
            state.presses[view.pressed] -= 1
        if view.pressed == "next":
            state.turns += 1
            state.is_new = True
        state.ended = view.ended or self._is_last(view, stall)
        return view

    def _is_last(self, view: PageView, stall: StallDetector) -> bool:
        """Return whether a site with pages shows results, but no way to further ones."""
        return view.count > 0 and self.site.paged and not (view.onward or stall.awaits)

    def _check_end(self, page: Page, found: int, state: _Scrolled, *, onward: bool) -> None:
        """Check that a page that shows nothing new has come to its end.

        Raises:
            SearchError: It has not.
        """
        patience = f"{self.site.settings.patience:g} s"
        if not state.shown or not found:
            if onward and self.site.offset is not None:
                return  # with an offset, the page after the last one is empty
            page.fail_layout("key" if state.shown else "item")
        if state.turns == 1 and state.stall.awaits:
            page.fail(
                "stalled",
                f"stopped after {found} results: its next button brought no others within "
                f"{patience}",
                advice=f"correct 'next' in {self.site.name}.yaml, raise settings.patience, or name "
                "in 'end' what the last page shows",
            )
        if self.site.end and not state.ended:
            end = "', '".join(self.site.end)
            page.fail(
                "stalled",
                f"stopped after {found} results: neither more results nor the end mark ('{end}') "
                f"appeared within {patience}",
                advice=f"raise settings.patience in {self.site.name}.yaml if the site is slow; "
                f"else {ALTERNATIVES}",
            )

    def _fail_endless(self, page: Page) -> NoReturn:
        page.fail(
            "endless",
            f"did not end within {self.site.settings.longest:g} s",
            advice=(
                "limit the candidates with scrape.per_query, or raise settings.longest in the "
                "site's file"
            ),
        )

    def _next(self, page: Page, visited: int) -> str | None:
        """Return the URL of the next page, or ``None`` after the last.

        Raises:
            SearchError: The next page is on another site.
        """
        if self.site.offset is not None:
            return self.site.offset.address(page.query.address, visited)
        url = page.run(_NEXT, answer=ADDRESS) if self.site.paged else None
        if url is None:
            return None
        try:
            there = origin(url)
        except ValueError:
            page.fail("stalled", f"links to an invalid URL as its next page: {url[:200]}")
        if there != origin(page.query.address):
            page.fail("stalled", f"links to another site for its next page: {there}")
        return url


class StallDetector:
    """Detect that a page loads no more results.

    A page is over when it loads nothing despite nudges, or repeats known results three times. A
    nudge scrolls back, farther each time, since a batch may push what loads the next one past the
    visible part; the steps down then show each height again. Time is measured by the clock, so a
    busy machine does not end a page early. A click on a "more" button resets the counts unless the
    click before it had no effect.

    Args:
        patience: Seconds without change at the bottom after which the page is over; a quarter of it
            precedes each nudge, and the end.

    Attributes:
        awaits: Whether a click has had no effect so far; a second click on *next* might skip
            results.
        back: Viewports by which the page is to be scrolled back; 0 for none.
    """

    _BACK = (4, 12, 36, 0)  # after the last one, it is over
    _NUDGES = len(_BACK)
    _REPETITIONS = 3

    def __init__(self, patience: float) -> None:
        self._wait = patience / self._NUDGES
        self._nudges = self._repetitions = 0
        self._count = self._position = 0
        self._since = time.monotonic()
        self.awaits = False
        self.back = 0

    @property
    def is_over(self) -> bool:
        """Whether the page loads no more results."""
        return self._nudges >= self._NUDGES or self._repetitions >= self._REPETITIONS

    @property
    def may_click(self) -> bool:
        """Whether a "more" button may be clicked; each click gets time to take effect."""
        return not self.awaits or self._nudges > 0

    def record(self, count: int, position: int, *, fresh: bool, clicked: bool) -> None:
        """Record the state of the page after a step.

        Args:
            count: Number of results on the page.
            position: Scroll position in pixels.
            fresh: Whether there is a new result, or a new image of a known one.
            clicked: Whether a "more" button was clicked.
        """
        grown = count > self._count
        moved = position != self._position
        self._count = count
        self._position = position
        now = time.monotonic()
        self.back = 0
        if fresh or (clicked and not self.awaits):
            self._nudges = self._repetitions = 0
            self.awaits = False
        elif grown:
            self._repetitions += 1
        elif not moved:
            if now - self._since < self._wait:
                return
            self.back = self._BACK[self._nudges]
            self._nudges += 1
        self.awaits = self.awaits or clicked
        self._since = now


class _Budget:
    """The time limit of a query."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self._end

    def extend(self, seconds: float) -> None:
        """Add seconds to the limit."""
        self._end += seconds


class Details:
    """Open the pages of a search's results, with the same checks as a results page.

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
        image, why = (
            (None, "not visited") if self._misses >= _MAX_DETAIL_MISSES else self._find(tile.page)
        )
        self._misses = 0 if image else self._misses + 1
        small = tile.image or tile.thumbnail
        route = "detail" if image else f"{NO_DETAIL} ({why})"
        return replace(
            tile,
            image=image,
            thumbnail=None if small == image else small,
            width=None,
            height=None,
            route=route,
        )

    def _find(self, url: str | None) -> tuple[str | None, str]:
        """Return the image of a page and why there is none, from the journal if possible."""
        if url is None:
            return None, "no link"
        if origin(url) != origin(self.page.query.address):
            return None, "another host"
        site = self.page.site
        journal = self.page.access.journal
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
        deadline = time.monotonic() + _DETAIL_TIMEOUT_SECONDS
        while (
            image := self.page.run(_PICTURE, answer=ADDRESS)
        ) is None and time.monotonic() < deadline:
            time.sleep(_DETAIL_POLL_SECONDS)
        verdict = self.page.verdict()
        if verdict.state != "empty":
            self.page.raise_for_state(verdict)
        if (arrived := self.page.arrived) != without_fragment(url):
            if origin(arrived) != origin(self.page.query.address):
                return None, "another host"
            if refused := self.page.access.find_refusal(arrived):
                return None, refused.reason
        return image, "not shown"
