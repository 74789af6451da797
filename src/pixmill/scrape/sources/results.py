"""Read a site's results to their end: page by page, scrolling, asking for more, and no endless waiting."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.page import ANYTHING, Page, script
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.stillness import Stillness
from pixmill.scrape.sources.tile import Tile, Tiles

__all__ = ["Resolve", "Results", "Supply"]

Supply = Callable[[Page], Iterable[Tile]]
"""Deliver the results of an open page by another way than looking at it, such as the JSON that its own script asks for.

Where it delivers any, the page is not scrolled.
"""

Resolve = Callable[[Page, Tile], Tile]
"""Find the original of a tile that a page shows without, such as by a click; the tile as it is where there is none."""

_NEXT = "return absolute((first(document, site.next.selectors) ?? button(site.next))?.getAttribute('href'));"

_ADDRESS: TypeAdapter[str | None] = TypeAdapter(str | None)
_LOST = TypeAdapter(bool)

_REMEMBER = "performance.setResourceTimingBufferSize(100000);"
"""By itself a browser remembers 250 requests."""

_FRUITLESS_PAGES = 3
"""A site whose next pages bring nothing new goes round in a circle."""

_ANSWERS = 3
"""How often a button that should go away by being pressed is pressed on one page."""


class Results:
    """Read a site's results for one query after another.

    The site's script (``SiteDefinition.script``) is a function's body, run after ``page.js``, that returns tiles as
    plain objects with the fields of :class:`Tile`. It sees ``site`` (the definition), ``complete`` (a set of the keys
    of tiles whose original is known, which need not be returned again) and ``seen`` (a set of all known keys). No
    element outlives a look; a tile without its original may be returned again with it later.

    Args:
        site: What is known of the site.
        supply: Another way to the results, tried first.
        resolve: A way to single originals, tried at the end of each page for the tiles that lack theirs.
    """

    def __init__(self, site: SiteDefinition, *, supply: Supply | None = None, resolve: Resolve | None = None) -> None:
        self.site = site
        self._supply = supply
        self._resolve = resolve

    def read(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the candidates that a site shows for a query, in its order, each once, as soon as they are known.

        Args:
            query: What is asked; its address is the first page.
            access: The ways out.

        Raises:
            SearchFailed: The site does not answer, or stops before its end.
            BrowserLost: The browser crashed or hangs.
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
        image, thumbnail = tile.image, tile.thumbnail
        if image is not None:
            original = self.site.original(image)
            # Where a rule made up an original that is not there after all, what the page showed is left to take.
            image, thumbnail = original, thumbnail or (image if original != image else None)
        return Candidate(
            query.label,
            query.text,
            rank,
            image,
            thumbnail_url=thumbnail,
            page_url=tile.page or query.address,
            title=tile.title,
            price=tile.price,
            width=tile.width,
            height=tile.height,
            route=tile.route,
        )

    def _tiles(self, page: Page, budget: _Budget) -> Iterator[Tile]:
        """Yield the tiles of one page after another."""
        found = Tiles(self.site.settings.most)
        visited: set[str] = set()
        fruitless = 0
        url: str | None = page.query.address
        while url is not None and url not in visited and fruitless < _FRUITLESS_PAGES and not found.full:
            visited.add(url)
            known = len(found)
            verdict = page.open(url)
            if verdict.state == "empty" and known:
                return
            page.judge(verdict)
            yield from self._page(page, found, budget, onward=len(visited) > 1)
            fruitless = fruitless + 1 if len(found) == known else 0
            url = self._next(page, len(visited))

    def _page(self, page: Page, found: Tiles, budget: _Budget, *, onward: bool) -> Iterator[Tile]:
        """Yield the tiles of one page.

        Args:
            page: The page, open.
            found: The tiles so far.
            budget: How long this may go on.
            onward: Whether it is not the first one.
        """
        before = len(found)
        for tile in self._supply(page) if self._supply else ():
            found.take(tile)
            yield from found.ready()
        if len(found) == before:
            yield from self._read(page, found, budget, onward=onward)
            while page.run(script("lost"), told=_LOST) and not (found.full or budget.spent):
                known = len(found), len(found.lacking())
                page.judge(page.open(page.url))
                yield from self._read(page, found, budget, onward=onward)
                if known == (len(found), len(found.lacking())):
                    break  # It stands still where it did before.
        if found.barren:
            page.missing("picture")
        # A tile that never showed its picture was seen all the same.
        yield from found.rest()

    def _read(self, page: Page, found: Tiles, budget: _Budget, *, onward: bool) -> Iterator[Tile]:
        """Yield the tiles of an open page, as far as their originals are known."""
        yield from self._scroll(page, found, budget, onward=onward)
        if self._resolve is not None:
            for tile in found.lacking():
                if budget.spent:
                    break
                found.take(self._resolve(page, tile))
                yield from found.ready()

    def _scroll(self, page: Page, found: Tiles, budget: _Budget, *, onward: bool) -> Iterator[Tile]:
        page.run(_REMEMBER, told=ANYTHING)
        settings = self.site.settings
        seen = Tiles(settings.most)
        still = Stillness(settings.patience)
        answers = dict.fromkeys(("consent", "dismiss"), _ANSWERS)
        shown = 0
        ended = swept = sweeping = False
        while not still.over:
            if budget.spent:
                page.fail(
                    "endless",
                    f"did not come to its end within {settings.longest:g} s",
                    advice="limit what is taken from it: scrape.per_query",
                )
            buttons = [kind for kind, left in answers.items() if left]
            step = {
                "buttons": [*buttons, "more"] if still.asking else buttons,
                "smooth": settings.smooth,
                "nudge": still.nudging,
                "sweep": sweeping,
            }
            look = page.look(seen.complete, found.keys, step)
            for tile in look.tiles:
                found.take(tile)
            # New is what this page has not shown yet, since it is opened again where its requests were lost.
            fresh = sum(seen.take(tile) for tile in look.tiles) > 0
            yield from found.ready()
            if (pressed := look.pressed) in answers:
                answers[pressed] -= 1
            ended = look.ended or (look.count > 0 and not self.site.grows)
            lacking = self._resolve is None and found.lacking()
            # A picture that is still to come is waited for: on a busy machine the end may be seen first.
            if found.full or (ended and look.bottom and not lacking):
                return
            if still.nudging or look.count < shown:
                page.judge(page.verdict())
            shown = look.count
            still.note(look.count, look.position, fresh=fresh, clicked=pressed == "more")
            # Cards that draw their pictures only where they are looked at may have been passed too fast.
            sweeping = still.nudging and bool(lacking) and not swept
            swept = swept or sweeping
            time.sleep(random.uniform(*settings.pause))  # noqa: S311 (a pause is no secret)
        self._judge_end(page, found, shown=shown, ended=ended, onward=onward)

    def _judge_end(self, page: Page, found: Tiles, *, shown: int, ended: bool, onward: bool) -> None:
        """Complain of a page that stood still before its end."""
        if not shown or not len(found):
            if onward and self.site.offset is not None:
                return  # Counting pages, one finds the last by there being nothing on the one after it.
            page.missing("key" if shown else "item")
        if self.site.end and not ended:
            end = "', '".join(self.site.end)
            page.fail(
                "stalled",
                f"stopped after {len(found)} results: neither more of them nor their end ('{end}') "
                f"appeared within {self.site.settings.patience:g} s",
            )

    def _next(self, page: Page, visited: int) -> str | None:
        """Return the address of the next page, which must be one of the same site.

        Raises:
            SearchFailed: It leads elsewhere.
        """
        if self.site.offset is not None:
            return self.site.offset.address(page.query.address, visited)
        url = page.run(_NEXT, told=_ADDRESS) if self.site.paged else None
        if url is None:
            return None
        here, there = urlsplit(page.query.address), urlsplit(url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            page.fail("stalled", f"leads to another site for its next page: {there.scheme}://{there.netloc}")
        return url


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
