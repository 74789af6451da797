"""Any site of results that a file describes, read to its end: page by page, scrolling, and asking for more."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from pydantic import TypeAdapter

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.browsing import ADDRESS, Page, origin
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.detail import Details
from pixmill.scrape.sources.source import Access, Kind, Source
from pixmill.scrape.sources.tile import Tile, Tiles

Resolve = Callable[[Page, Tile], Tile]
"""Find the original of a tile that a page shows without, such as by a click; the tile as it is where there is none."""

_NEXT = "return absolute((first(document, site.next.selectors) ?? button(site.next))?.getAttribute('href'));"


_LOST = """
  return performance.getEntriesByType("resource").some(({ name, initiatorType, responseStatus: status }) =>
    ["fetch", "xmlhttprequest"].includes(initiatorType) && new URL(name).origin === location.origin
      && (status === 0 || status === 429 || status >= 500));
"""
"""Whether a request of the page's own failed: then it may stand still before its end."""

_TRUTH = TypeAdapter(bool)

_FRUITLESS_PAGES = 3
"""A site whose next pages bring nothing new goes round in a circle."""

_ANSWERS = 3
"""How often a button that should go away by being pressed is pressed on one page."""


class SiteSource(Source):
    """Find images on a site of results.

    The site's script (``SiteDefinition.script``) is a function's body, run after ``prelude.js``, that returns tiles as
    plain objects with the fields of :class:`Tile`. It sees ``site`` (the definition) and ``complete`` (a set of the
    keys of tiles whose original is known, which need not be returned again). No element outlives a look; a tile without
    its original may be returned again with it later.

    Args:
        site: What is known of the site.
        name: Its name in params and tables; default: the site's own.
        wanted: How many results the search probably needs: with product pages, no more are looked for at first.
    """

    kind: Kind = "pages"

    def __init__(self, site: SiteDefinition, *, name: str | None = None, wanted: int | None = None) -> None:
        self.name = name or site.name
        self.site = site
        self.wanted = wanted

    def resolver(self) -> Resolve | None:
        """Return a way to single originals for one search, tried at the end of each page for tiles that lack theirs."""
        return None

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text."""
        return [Query(label, text, self.site.address(text)) for text in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield what the site shows, in its own order, each result once and as soon as it is known.

        Raises:
            SearchError: The site does not answer, or stops before its end.
            BrowserLostError: The browser crashed or hangs.
        """
        with access.browser() as driver:
            page = Page(driver, self.site, query, access)
            budget = _Budget(self.site.settings.longest)
            for rank, tile in enumerate(self._tiles(page, budget)):
                began = time.monotonic()
                yield self._candidate(query, rank, tile)
                # How long it takes to make use of a candidate is no fault of the page.
                budget.extend(time.monotonic() - began)

    def _candidate(self, query: Query, rank: int, tile: Tile) -> Candidate:
        image, thumbnail, width, height = tile.image, tile.thumbnail, tile.width, tile.height
        if image is not None:
            original = self.site.original(image)
            if original != image:
                # Where a rule made up an original that is not there after all, what the page showed is left to take.
                image, thumbnail, width, height = original, thumbnail or image, None, None
            elif tile.page is not None and tile.route == "attribute" and self.name != "shop":
                thumbnail = image  # the page behind the link may show a larger one
        return Candidate(
            query.label,
            query.text,
            rank,
            image,
            thumbnail_url=thumbnail,
            page_url=tile.page or query.address,
            title=tile.title,
            price=tile.price,
            width=width,
            height=height,
            route=tile.route,
            total=tile.total,
        )

    def _tiles(self, page: Page, budget: _Budget) -> Iterator[Tile]:
        """Yield the tiles of one page after another."""
        details, most = Details(page) if self.site.detail else None, self.site.settings.most
        tiles = Tiles(most if details is None else min(self.wanted or most, most))
        visited: set[str] = set()
        fruitless = 0
        url: str | None = page.query.address
        while url is not None and url not in visited and fruitless < _FRUITLESS_PAGES and not tiles.full:
            visited.add(url)
            here, known = url, len(tiles)
            verdict = page.open(url)
            if verdict.state == "empty" and known:
                return
            page.judge(verdict)
            shown = self._new_tiles(page, tiles, budget, onward=len(visited) > 1)
            if details is None:
                yield from shown
            held = list(shown)  # their own pages are opened in the same browser, once this one is read
            if tiles.barren and details is None:
                page.missing("image")
            fruitless = fruitless + 1 if len(tiles) == known else 0
            try:
                url = self._next(page, len(visited))  # before the browser leaves this page
            finally:
                # A tile that never showed its image was seen all the same.
                for tile in [*held, *tiles.rest()]:
                    if details is not None and budget.spent:
                        self._end(page)
                    yield tile if details is None else details(tile)
            if tiles.full and tiles.most < most:
                # Some were duplicates or refused: read this page on.
                tiles.most, url = min(2 * tiles.most, most), here
                visited.discard(here)

    def _new_tiles(self, page: Page, tiles: Tiles, budget: _Budget, *, onward: bool) -> Iterator[Tile]:
        """Yield the new tiles of an open page, up to the first whose original is not known."""
        resolve = self.resolver()
        yield from self._read(page, tiles, budget, resolve, onward=onward)
        if page.run(_LOST, answer=_TRUTH) and not tiles.full:
            page.judge(page.open(page.url))
            yield from self._read(page, tiles, budget, resolve, onward=onward)

    def _read(
        self, page: Page, tiles: Tiles, budget: _Budget, resolve: Resolve | None, *, onward: bool
    ) -> Iterator[Tile]:
        """Yield the tiles of an open page, each with its original where there is a way to it."""
        yield from self._scroll(page, tiles, budget, waits=resolve is None, onward=onward)
        for tile in tiles.without_original():
            if resolve is None or budget.spent:
                return
            tiles.take(resolve(page, tile))
            yield from tiles.ready()

    def _scroll(self, page: Page, tiles: Tiles, budget: _Budget, *, waits: bool, onward: bool) -> Iterator[Tile]:
        """Yield the tiles of an open page, as far as their originals are known.

        Args:
            page: The page.
            tiles: The tiles so far.
            budget: How long this may go on.
            waits: Whether an image that is still to come is waited for.
            onward: Whether it is not the first page.
        """
        settings = self.site.settings
        shown_here = Tiles(settings.most)  # a page that is opened again shows what is known already
        still = Stillness(settings.patience)
        answers = dict.fromkeys(("consent", "dismiss"), _ANSWERS)
        shown = 0
        ended = False
        while not still.over:
            if budget.spent:
                self._end(page)
            buttons = [kind for kind, left in answers.items() if left] + ["more"] * still.asking
            look = page.look(shown_here.complete, buttons=buttons, smooth=settings.smooth, nudge=still.nudging)
            for tile in look.tiles:
                tiles.take(tile)
            fresh = sum(shown_here.take(tile) for tile in look.tiles) > 0
            yield from tiles.ready()
            if look.pressed in answers:
                answers[look.pressed] -= 1
            ended = look.ended or (look.count > 0 and self.site.paged)
            # On a busy machine the end may be seen before the last images are.
            if tiles.full or (ended and look.bottom and not (waits and tiles.without_original())):
                return
            if still.nudging or look.count < shown:
                page.judge(page.verdict())
            shown = look.count
            still.note(look.count, look.position, fresh=fresh, clicked=look.pressed == "more")
            time.sleep(random.uniform(*settings.pause))  # noqa: S311 (a pause is no secret)
        if not shown or not len(tiles):
            if onward and self.site.offset is not None:
                return  # Counting pages, one finds the last by there being nothing on the one after it.
            page.missing("key" if shown else "item")
        if self.site.end and not ended:
            end = "', '".join(self.site.end)
            page.fail(
                "stalled",
                f"stopped after {len(tiles)} results: neither more results nor the end mark ('{end}') "
                f"appeared within {settings.patience:g} s",
            )

    def _end(self, page: Page) -> NoReturn:
        """Complain of a search that takes too long."""
        page.fail(
            "endless",
            f"did not end within {self.site.settings.longest:g} s",
            advice="limit the candidates with scrape.per_query, or raise settings.longest in the site's file",
        )

    def _next(self, page: Page, visited: int) -> str | None:
        """Return the address of the next page, which must be one of the same site.

        Raises:
            SearchError: It leads elsewhere.
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


class Stillness:
    """Judge by many looks at a page whether more may come.

    A page is over where it stands still in spite of four nudges, or has grown three times by nothing but repetitions.
    Time is measured by the clock, so that a busy machine does not cut a page short. A click on a button that asks for
    more begins the count anew, unless the click before brought nothing.

    Args:
        patience: Seconds that a page which stands still may take to go on; a quarter of it before each nudge.
    """

    _NUDGES = 4
    _REPETITIONS = 3

    def __init__(self, patience: float) -> None:
        self._wait = patience / self._NUDGES
        self._nudges = self._repetitions = 0
        self._count = self._position = 0
        self._since = time.monotonic()
        self._clicked = False
        self.nudging = False

    @property
    def over(self) -> bool:
        """Whether the page has been given every chance."""
        return self._nudges >= self._NUDGES or self._repetitions >= self._REPETITIONS

    @property
    def asking(self) -> bool:
        """Whether the page may be asked for more: a click is given time before the next one."""
        return not self._clicked or self._nudges > 0

    def note(self, count: int, position: int, *, fresh: bool, clicked: bool) -> None:
        """Take in one look at the page.

        Args:
            count: How many results it shows.
            position: How far it is scrolled, in pixels.
            fresh: Whether it showed a result, or the image of one, that was not known before.
            clicked: Whether it was asked for more.
        """
        grown, moved = count > self._count, position != self._position
        self._count, self._position = count, position
        now, self.nudging = time.monotonic(), False
        if fresh or (clicked and not self._clicked):
            self._nudges = self._repetitions = 0
            self._clicked = False
        elif grown:
            self._repetitions += 1
        elif not moved:
            if now - self._since < self._wait:
                return
            self._nudges += 1
            self.nudging = True
        self._clicked = self._clicked or clicked
        self._since = now


class _Budget:
    """Count the seconds that a query may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """Whether there are none left."""
        return time.monotonic() > self._end

    def extend(self, seconds: float) -> None:
        """Leave out of account what somebody else used."""
        self._end += seconds
