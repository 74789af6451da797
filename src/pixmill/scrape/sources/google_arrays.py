"""Find the originals in the arrays that Google writes into the scripts of its result pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

__all__ = ["ArrayForm", "Original", "read_arrays", "thumbnail_id"]

_STRING = r'"(?:[^"\\]|\\.)*"'
_SIZED = rf"\[\s*({_STRING})\s*,\s*(\d{{1,6}})\s*,\s*(\d{{1,6}})\s*\]"
_PAIR = re.compile(rf"(?:({_STRING})\s*,\s*)?{_SIZED}\s*,\s*{_SIZED}")
"""A thumbnail and its original side by side, ``["url", number, number]`` each, perhaps after the picture's id."""

_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class ArrayForm:
    """Say what the arrays look like; the defaults are those of 2024 and later.

    Args:
        mark: What stands in every script that has any.
        thumbnail: How a thumbnail's URL begins.
        details: The key of the array that follows a pair, and holds nothing, the id, the page's URL and the title.
        size: Which number of a pair comes first.
    """

    mark: str = "encrypted-tbn"
    thumbnail: str = "https://encrypted-tbn"
    details: str = "2003"
    size: tuple[str, str] = ("height", "width")


@dataclass(frozen=True)
class Original:
    """Hold what the arrays say of one picture.

    Args:
        image: The original's URL.
        thumbnail: The thumbnail's URL.
        ids: All names that a tile may know it by.
        page: The page that shows it.
        title: Google's words for it.
        width: Its width in pixels, as Google says.
        height: Its height in pixels, as Google says.
    """

    image: str
    thumbnail: str
    ids: frozenset[str]
    page: str | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None


def read_arrays(texts: Iterable[str], form: ArrayForm) -> list[Original]:
    """Return the originals that scripts mention, in their order.

    Args:
        texts: The scripts of a page, as they stand in it.
        form: What the arrays look like.
    """
    return [original for text in texts for original in _read(text, form)]


def thumbnail_id(url: str) -> str | None:
    """Return the id in a thumbnail's URL (``…images?q=tbn:<id>&s``), or ``None`` where it has none."""
    try:
        values = parse_qs(urlsplit(url).query).get("q", [])
    except ValueError:
        return None
    return next((value.removeprefix("tbn:") for value in values if value.startswith("tbn:")), None)


def _read(text: str, form: ArrayForm) -> Iterable[Original]:
    pairs = list(_PAIR.finditer(text))
    for place, pair in enumerate(pairs, start=1):
        end = pairs[place].start() if place < len(pairs) else len(text)
        thumbnail, image = _string(pair[2]), _string(pair[5])
        # Some originals are known to Google alone, by addresses such as x-raw-image:///…
        if not thumbnail.startswith(form.thumbnail) or not image.startswith(("http://", "https://")):
            continue
        details = _details(text, pair.end(), end, form)
        ids = {thumbnail_id(thumbnail), details[1], _string(pair[1] or '""')}
        size = dict(zip(form.size, (int(pair[6]), int(pair[7])), strict=True))
        yield Original(
            image=image,
            thumbnail=thumbnail,
            ids=frozenset(name for name in ids if name),
            page=details[2],
            title=details[3],
            width=size["width"] or None,
            height=size["height"] or None,
        )


def _string(literal: str) -> str:
    """Decode a string of JavaScript; one that is not well-formed becomes empty."""
    try:
        decoded = str(json.loads(_HEX_ESCAPE.sub(r"\\u00\1", literal), strict=False))
    except ValueError:
        return ""
    return decoded.encode("utf-8", "replace").decode()  # Half a character cannot be written to any file.


def _details(text: str, start: int, end: int, form: ArrayForm) -> Sequence[str | None]:
    key = f'"{form.details}":'
    place = text.find(key, start, end)
    values: object = []
    if place >= 0:
        try:
            values, _ = _DECODER.raw_decode(text, place + len(key))
        except (ValueError, RecursionError):
            values = []
    cells = [_cell(value) for value in values[:4]] if isinstance(values, list) else []
    return cells + [None] * (4 - len(cells))


def _cell(value: object) -> str | None:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None
