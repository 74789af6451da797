"""Google's image results: originals from the arrays in the page's scripts, and else from a click on each tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.google_arrays import ArrayForm, Original, read_arrays, thumbnail_id
from pixmill.scrape.sources.page import Page, script
from pixmill.scrape.sources.results import Resolve
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.tile import Tile

__all__ = ["GoogleSource"]

_SCRIPTS = """\
return [...document.scripts].map((script) => script.textContent).filter((text) => text.includes(arguments[0]));
"""

_PANEL_SECONDS = 4.0
"""A panel shows the original within two seconds, or never."""

_LOOK_SECONDS = 0.25

_FRUITLESS_CLICKS = 10
"""About one panel in twenty never shows its original; so many in a row mean that the panels are not what they were."""


@dataclass(frozen=True)
class _Shown:
    """Hold what a panel shows of an original."""

    image: str
    route: str
    page: str | None = None
    width: int | None = None
    height: int | None = None


_TEXTS = TypeAdapter(list[str])
_SHOWN: TypeAdapter[_Shown | None] = TypeAdapter(_Shown | None)

_Name = str | None | tuple[str | None, str | None]
"""What a tile may have in common with an array: an id, or the page and the title of the picture."""


class GoogleSource(SiteSource):
    """Find pictures with Google."""

    def resolver(self) -> Resolve:
        """Return the ways from a tile to its original: the page's scripts, and else a click."""
        return _Originals(ArrayForm())

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the pictures that Google shows, in its own order.

        Their ``route`` is ``script`` where an array of the page's scripts holds the original, ``link`` where the tile
        itself links to it, ``click`` where its panel does, and ``thumbnail`` where nothing does. An original that
        several tiles lead to comes once.

        Raises:
            SearchFailed: Google does not answer, or stops before its end.
            BrowserLost: The browser crashed or hangs.
        """
        seen: set[str] = set()
        rank = 0
        for candidate in super().search(query, access):
            if candidate.image_url not in seen:
                yield replace(candidate, rank=rank)
                rank += 1
            if candidate.image_url is not None:
                seen.add(candidate.image_url)


class _Originals:
    """Find the originals of one search's tiles, the quick way first.

    Args:
        form: What the arrays look like.
    """

    def __init__(self, form: ArrayForm) -> None:
        self._form = form
        self._by_name: dict[_Name, Original] | None = None
        self._fruitless = 0

    def __call__(self, page: Page, tile: Tile) -> Tile:
        """Return the tile with its original, as far as it can be found."""
        if self._by_name is None:
            texts = page.run(_SCRIPTS, self._form.mark, told=_TEXTS)
            originals = read_arrays(texts, self._form)
            self._by_name = {name: original for original in reversed(originals) for name in _names(original)}
        names = (tile.key, thumbnail_id(tile.thumbnail or ""), (tile.page, tile.title))
        known = next((self._by_name[name] for name in names if name in self._by_name), None)
        if known is not None:
            return _told(tile, known)
        return self._clicked(page, tile)

    def _clicked(self, page: Page, tile: Tile) -> Tile:
        found: _Shown | None = None
        if self._fruitless < _FRUITLESS_CLICKS:
            source = f"const extract = (complete) => {{\n{script('google')}\n}};\n{script('google_panel')}"
            found = page.run(source, tile.key, _PANEL_SECONDS * 1000, _LOOK_SECONDS * 1000, told=_SHOWN)
            self._fruitless = 0 if found else self._fruitless + 1
        if found is None:
            return replace(tile, route="thumbnail")
        return replace(tile, **{name: value for name, value in asdict(found).items() if value is not None})


def _names(original: Original) -> set[_Name]:
    """Return the names of an array; pages and titles count, since a tile with an inlined thumbnail has no other."""
    return {*original.ids, *([(original.page, original.title)] if original.page and original.title else ())}


def _told(tile: Tile, original: Original) -> Tile:
    return replace(
        tile,
        image=original.image,
        thumbnail=tile.thumbnail or original.thumbnail,
        page=original.page or tile.page,
        title=original.title or tile.title,
        width=original.width,
        height=original.height,
        route="script",
    )
