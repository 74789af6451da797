"""The source ``google``: originals from arrays in the page's scripts, or from clicks."""

import dataclasses
import json
import re
from collections.abc import Iterable
from itertools import zip_longest

from pydantic import TypeAdapter

from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.site import Resolve, SiteSource
from pixmill.scrape.sources.tile import Tile

_SCRIPTS = """\
return [...document.scripts].map((script) => script.textContent)
  .filter((text) => text.includes(arguments[0]));
"""

_MARK = "encrypted-tbn"
"""Text in every script with arrays; this and the formats below are as of 2024."""

_THUMBNAIL = "https://encrypted-tbn"
"""Prefix of thumbnail URLs."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_SIZED = rf"\[\s*({_STRING})\s*,\s*(\d{{1,6}})\s*,\s*(\d{{1,6}})\s*\]"
_PAIR = re.compile(rf"(?:({_STRING})\s*,\s*)?{_SIZED}\s*,\s*{_SIZED}")
"""A thumbnail and its original, each ``["url", height, width]``, perhaps after the image's id."""

_DETAILS = re.compile(rf'"2003":\s*\[\s*null\s*,\s*{_STRING}\s*,\s*({_STRING})\s*,\s*({_STRING})')
"""The array after a pair: null, an id, the URL of the page and the title."""

_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")

_PANEL_TIMEOUT_SECONDS = 4.0
"""A panel shows the original within two seconds, or never."""

_POLL_SECONDS = 0.25

_MAX_MISSES = 10
"""Panels in a row without an original after which no more are opened.

About one panel in twenty has none.
"""

Name = str | tuple[str | None, str | None]
"""A key that joins tiles and arrays: an id, or the page and title of the image."""

_TEXTS = TypeAdapter(list[str])
_ORIGINAL: TypeAdapter[Tile | None] = TypeAdapter(Tile | None)


class GoogleSource(SiteSource):
    """Search Google Images.

    The ``route`` of a candidate says where the original was found: ``script`` (arrays in the page's
    scripts), ``link`` (link of the tile), ``click`` (panel of the tile), or ``thumbnail`` (no
    original).
    """

    def resolver(self) -> Resolve:
        """Return a resolver that uses the page's scripts, then clicks."""
        return _Originals()


class _Originals:
    """Find the originals of a search's tiles."""

    def __init__(self) -> None:
        self._by_name: dict[Name, Tile] | None = None
        self._misses = 0

    def __call__(self, page: Page, tile: Tile) -> Tile:
        """Return the tile with its original, if found."""
        if self._by_name is None:
            texts = page.run(_SCRIPTS, _MARK, answer=_TEXTS)
            arrays = read_arrays(texts)
            self._by_name = {
                name: original for names, original in reversed(arrays) for name in names
            }
        names = (tile.key, thumbnail_id(tile.thumbnail or "") or "", (tile.page, tile.title))
        original = next((self._by_name[name] for name in names if name in self._by_name), None)
        if original is None and self._misses < _MAX_MISSES:
            source = (
                "const extract = (complete) => "
                f"{{\n{script('google')}\n}};\n{script('google_panel')}"
            )
            milliseconds = (1000 * _PANEL_TIMEOUT_SECONDS, 1000 * _POLL_SECONDS)
            original = page.run(source, tile.key, *milliseconds, answer=_ORIGINAL)
            self._misses = 0 if original else self._misses + 1
        if original is None:
            return dataclasses.replace(tile, route="thumbnail")
        return tile.refine(
            dataclasses.replace(original, thumbnail=tile.thumbnail or original.thumbnail)
        )


def read_arrays(texts: Iterable[str]) -> list[tuple[set[Name], Tile]]:
    """Return the originals in scripts, in order, each with the names that its tile may have.

    A tile with an inlined thumbnail, such as the first ones, has only its page and title as a name.

    Args:
        texts: Source texts of a page's scripts.
    """
    originals: list[tuple[set[Name], Tile]] = []
    for text in texts:
        pairs = list(_PAIR.finditer(text))
        for pair, following in zip_longest(pairs, pairs[1:]):
            thumbnail = _string(pair[2])
            image = _string(pair[5])
            # Some originals have internal URLs such as x-raw-image:///…
            if not thumbnail.startswith(_THUMBNAIL) or not image.startswith(
                ("http://", "https://")
            ):
                continue
            details = _DETAILS.search(
                text, pair.end(), following.start() if following else len(text)
            )
            page, title = (_string(details[1]), _string(details[2])) if details else ("", "")
            names: set[Name] = {
                name for name in (thumbnail_id(thumbnail), _string(pair[1] or '""')) if name
            }
            if page and title:
                names.add((page, title))
            height, width = (int(digits) or None for digits in (pair[6], pair[7]))
            tile = Tile(
                thumbnail,
                image,
                thumbnail,
                page or None,
                title or None,
                None,
                width,
                height,
                "script",
            )
            originals.append((names, tile))
    return originals


def thumbnail_id(url: str) -> str | None:
    """Return the id in a thumbnail's URL (``…images?q=tbn:<id>&s``), if any."""
    match = re.search(r"[?&]q=tbn(?::|%3A)([\w-]+)", url)
    return match[1] if match else None


def _string(literal: str) -> str:
    """Decode a JavaScript string literal; an invalid one becomes empty."""
    try:
        return str(json.loads(_HEX_ESCAPE.sub(r"\\u00\1", literal), strict=False))
    except ValueError:
        return ""
