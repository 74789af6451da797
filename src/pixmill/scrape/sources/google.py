"""Google's image results: originals from the arrays in the page's scripts, and else from a click on each tile."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from pydantic import TypeAdapter

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.site import Resolve, SiteSource
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.tile import Tile

_SCRIPTS = """\
return [...document.scripts].map((script) => script.textContent).filter((text) => text.includes(arguments[0]));
"""

_MARK = "encrypted-tbn"
"""What stands in every script that has arrays; all of these are as of 2024 and later."""

_THUMBNAIL = "https://encrypted-tbn"
"""How the address of a thumbnail begins."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_SIZED = rf"\[\s*({_STRING})\s*,\s*(\d{{1,6}})\s*,\s*(\d{{1,6}})\s*\]"
_PAIR = re.compile(rf"(?:({_STRING})\s*,\s*)?{_SIZED}\s*,\s*{_SIZED}")
"""A thumbnail and its original side by side, ``["url", height, width]`` each, perhaps after the image's id."""

_DETAILS = re.compile(rf'"2003":\s*\[\s*null\s*,\s*{_STRING}\s*,\s*({_STRING})\s*,\s*({_STRING})')
"""The array behind a pair, which holds nothing, an id, the page's address and the title."""

_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")

_PANEL_SECONDS = 4.0
"""A panel shows the original within two seconds, or never."""

_LOOK_SECONDS = 0.25

_FRUITLESS_CLICKS = 10
"""About one panel in twenty never shows its original; so many in a row mean that the panels are not what they were."""

Name = str | tuple[str | None, str | None]
"""What a tile may have in common with an array: an id, or the page and the title of the image."""

_TEXTS = TypeAdapter(list[str])
_ORIGINAL: TypeAdapter[Tile | None] = TypeAdapter(Tile | None)


class GoogleSource(SiteSource):
    """Find images with Google.

    The ``route`` of one is ``script`` where an array of the page's scripts holds the original, ``link`` where the tile
    itself links to it, ``click`` where its panel does, and ``thumbnail`` where nothing does.
    """

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield what the site shows, an original that stands behind several tiles once."""
        seen: set[str | None] = set()
        rank = 0
        for candidate in super().search(query, access):
            if candidate.image_url is None or candidate.image_url not in seen:
                yield dataclasses.replace(candidate, rank=rank)
                rank += 1
            seen.add(candidate.image_url)

    def resolver(self) -> Resolve:
        """Return the ways from a tile to its original: the page's scripts, and else a click."""
        return _Originals()


class _Originals:
    """Find the originals of one search's tiles, the quick way first."""

    def __init__(self) -> None:
        self._by_name: dict[Name, Tile] | None = None
        self._fruitless = 0

    def __call__(self, page: Page, tile: Tile) -> Tile:
        """Return the tile with its original, as far as it can be found."""
        if self._by_name is None:
            texts = page.run(_SCRIPTS, _MARK, answer=_TEXTS)
            arrays = read_arrays(texts)
            self._by_name = {name: original for names, original in reversed(arrays) for name in names}
        names = (tile.key, thumbnail_id(tile.thumbnail or "") or "", (tile.page, tile.title))
        original = next((self._by_name[name] for name in names if name in self._by_name), None)
        if original is None and self._fruitless < _FRUITLESS_CLICKS:
            source = f"const extract = (complete) => {{\n{script('google')}\n}};\n{script('google_panel')}"
            original = page.run(source, tile.key, _PANEL_SECONDS * 1000, _LOOK_SECONDS * 1000, answer=_ORIGINAL)
            self._fruitless = 0 if original else self._fruitless + 1
        if original is None:
            return dataclasses.replace(tile, route="thumbnail")
        return tile.refine(dataclasses.replace(original, thumbnail=tile.thumbnail or original.thumbnail))


def read_arrays(texts: Iterable[str]) -> list[tuple[set[Name], Tile]]:
    """Return the originals that scripts mention, in their order, each with the names that its tile may go by.

    Page and title count as a name, since a tile with an inlined thumbnail, as the first ones have, has no other.

    Args:
        texts: The scripts of a page, as they stand in it.
    """
    originals: list[tuple[set[Name], Tile]] = []
    for text in texts:
        pairs = list(_PAIR.finditer(text))
        for pair, following in zip_longest(pairs, pairs[1:]):
            thumbnail, image = _string(pair[2]), _string(pair[5])
            # Some originals are known to Google alone, by addresses such as x-raw-image:///…
            if not thumbnail.startswith(_THUMBNAIL) or not image.startswith(("http://", "https://")):
                continue
            details = _DETAILS.search(text, pair.end(), following.start() if following else len(text))
            page, title = (_string(details[1]), _string(details[2])) if details else ("", "")
            names: set[Name] = {name for name in (thumbnail_id(thumbnail), _string(pair[1] or '""')) if name}
            if page and title:
                names.add((page, title))
            height, width = (int(digits) or None for digits in (pair[6], pair[7]))
            tile = Tile(thumbnail, image, thumbnail, page or None, title or None, None, width, height, "script")
            originals.append((names, tile))
    return originals


def thumbnail_id(url: str) -> str | None:
    """Return the id in a thumbnail's URL (``…images?q=tbn:<id>&s``), or ``None`` where it has none."""
    match = re.search(r"[?&]q=tbn(?::|%3A)([\w-]+)", url)
    return match[1] if match else None


def _string(literal: str) -> str:
    """Decode a string of JavaScript; one that is not well-formed becomes empty."""
    try:
        return str(json.loads(_HEX_ESCAPE.sub(r"\\u00\1", literal), strict=False))
    except ValueError:
        return ""
