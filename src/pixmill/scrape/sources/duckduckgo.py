"""DuckDuckGo's image results: the JSON that its page asks for, and thumbnails where there is none."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import TypeAdapter

from pixmill.errors import ParamsError
from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.page import Page, script
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.tile import Tile

__all__ = ["DuckDuckGoSource"]

_LONGEST_QUERY = 499
"""What is longer, DuckDuckGo refuses."""

_TOKEN = re.compile(r"""\bvqd=(?:"([\w-]+)"|'([\w-]+)'|([\d-]+)(?=[&"']))""")
"""The pass that the page is given for its query and its browser."""

_PATH = "/i.js"
_PARAMETERS = {"o": "json", "l": "us-en", "f": ",,,,,", "p": "1"}
"""What the page's own script asks with while nobody has changed its filters."""

_ANSWER_SECONDS = 15.0
_ANSWER_CHARACTERS = 8_000_000
_ATTEMPTS = 3
_FRUITLESS_ANSWERS = 3


@dataclass(frozen=True)
class _Answer:
    status: int
    text: str


_ANSWER = TypeAdapter(_Answer)


class DuckDuckGoSource(SiteSource):
    """Find pictures with DuckDuckGo.

    The ``route`` of a picture is ``json``, or ``thumbnail`` where the JSON cannot be had and the page shows no more.

    Args:
        site: What is known of the site.
        name: Its name in params and tables; default: the site's own.
    """

    def __init__(self, site: SiteDefinition, *, name: str | None = None) -> None:
        super().__init__(site, name=name, supply=_answers)

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text.

        Raises:
            ParamsError: A text is longer than DuckDuckGo takes.
        """
        for text in texts:
            if len(text) > _LONGEST_QUERY:
                raise ParamsError(
                    f"scrape.queries.{label}: expected at most {_LONGEST_QUERY} characters for duckduckgo, received "
                    f"{len(text)} ('{text[:40]}…')",
                    next="shorten the query in params.yaml, or ask another source",
                )
        return super().queries(label, texts)


def _answers(page: Page) -> Iterator[Tile]:
    """Yield the results that the JSON holds, answer by answer; none where the page gives no pass for it."""
    token = _TOKEN.search(page.driver.page_source)
    if token is None:
        return
    asked = {**_PARAMETERS, "q": page.query.text or "", "vqd": token[token.lastindex or 1]}
    seen: set[str] = set()
    visited: set[str] = set()
    fruitless = 0
    place = "0"
    while place not in visited and fruitless < _FRUITLESS_ANSWERS and len(seen) < page.site.settings.most:
        visited.add(place)
        answer = _ask(page, f"{_PATH}?{urlencode(asked | {'s': place})}", known=len(seen))
        if answer is None:
            return
        fresh = {tile.key: tile for tile in map(_tile, answer["results"]) if tile is not None and tile.key not in seen}
        seen.update(fresh)
        fruitless = 0 if fresh else fruitless + 1
        yield from fresh.values()
        place = dict(parse_qsl(str(answer.get("next") or "").partition("?")[2])).get("s", "")
        if not place:
            return
        time.sleep(random.uniform(*page.site.settings.pause))  # noqa: S311 (a pause is no secret)


def _ask(page: Page, address: str, *, known: int) -> dict[str, Any] | None:
    """Return one answer; ``None`` where the first one is none, so that the page itself may be read.

    Raises:
        SearchFailed: DuckDuckGo refuses, or breaks off.
    """
    status, text = 0, ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(attempt)
        asked = (address, _ANSWER_SECONDS * 1000, _ANSWER_CHARACTERS)
        said = page.run(script("duckduckgo_answer"), *asked, told=_ANSWER)
        status, text = said.status, said.text
        if status and status < 500:
            break
    what = f"is refused its results by {_PATH}"
    if "anomaly" in text and "<" in text[:200]:
        page.fail("captcha", f"{what}, which asks for a proof of being human (status {status})")
    if status in (202, 403, 429, 503):
        page.fail("blocked", f"{what} ({' '.join(text.split())[:60] or 'no words'}, status {status})")
    answer = _parsed(text) if status == 200 else None
    broken = f"{_PATH} answered with status {status} and no results in JSON"
    if answer is None and known:
        page.fail("stalled", f"broke off after {known} results: {broken}")
    if answer is None and (verdict := page.verdict()).state != "results":
        page.judge(verdict)
        page.fail("layout_changed", f"shows no result, and {broken}; has its layout changed?")
    return answer


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get("results"), list) else None


def _tile(result: object) -> Tile | None:
    """Return what one result says; ``None`` for one without the address of a picture."""
    if not isinstance(result, dict):
        return None
    image, thumbnail = _address(result.get("image")), _address(result.get("thumbnail"))
    key = image or thumbnail
    if key is None:
        return None
    return Tile(
        key,
        image=image,
        thumbnail=thumbnail,
        page=_address(result.get("url")),
        title=_words(result.get("title")),
        width=_pixels(result.get("width")),
        height=_pixels(result.get("height")),
        route="json" if image else "thumbnail",
    )


def _address(said: object) -> str | None:
    return said.strip() if isinstance(said, str) and re.match(r"\s*https?://", said, re.IGNORECASE) else None


def _words(said: object) -> str | None:
    return said.strip().encode("utf-8", "replace").decode() or None if isinstance(said, str) else None


def _pixels(said: object) -> int | None:
    try:
        return int(str(said)) or None
    except ValueError:
        return None
