"""DuckDuckGo's image results: the JSON that its page asks for, and thumbnails where there is none."""

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import TypeAdapter

from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.tile import Tile

_TOKEN = re.compile(r"""\bvqd=(?:"([\w-]+)"|'([\w-]+)'|([\d-]+)(?=[&"']))""")
"""The pass that the page is given for its query and its browser."""

_PATH = "/i.js"
_PARAMETERS = {"o": "json", "l": "us-en", "f": ",,,,,", "p": "1"}
"""What the page's own script asks with while nobody has changed its filters."""

_ANSWER_SECONDS = 15.0
_ATTEMPTS = 3
_FRUITLESS_ANSWERS = 3
_ANSWER_CHARACTERS = 8_000_000


@dataclass(frozen=True)
class _Reply:
    """One answer of the JSON.

    Args:
        status: Its status; 0 where none came.
        text: How it begins, or why none came.
        tiles: Its results; ``None`` where it is no JSON with results.
        place: Where the next answer begins.
    """

    status: int
    text: str
    tiles: list[Tile] | None = None
    place: str | None = None


_ANSWER = TypeAdapter(_Reply)


class DuckDuckGoSource(SiteSource):
    """Find images with DuckDuckGo.

    The ``route`` of an image is ``json``, or ``thumbnail`` where the JSON cannot be had and the page shows no more.
    """

    def supply(self, page: Page) -> Iterator[Tile]:
        """Yield the results that the JSON holds, answer by answer; none where the page gives no pass for it."""
        token = _TOKEN.search(page.driver.page_source)
        if token is None:
            return
        parameters = {**_PARAMETERS, "q": page.query.text or "", "vqd": token[token.lastindex or 1]}
        keys: set[str] = set()
        visited: set[str] = set()
        fruitless = 0
        place: str | None = "0"
        while place and place not in visited and fruitless < _FRUITLESS_ANSWERS and len(keys) < page.site.settings.most:
            visited.add(place)
            if keys:
                time.sleep(random.uniform(*page.site.settings.pause))  # noqa: S311 (a pause is no secret)
            answer = _ask(page, f"{_PATH}?{urlencode(parameters | {'s': place})}", known=len(keys))
            fresh = {tile.key: tile for tile in answer.tiles or () if tile.key not in keys}
            if answer.tiles is None:
                return
            fruitless = 0 if fresh else fruitless + 1
            keys.update(fresh)
            yield from fresh.values()
            place = answer.place


def _ask(page: Page, address: str, *, known: int) -> _Reply:
    """Return one answer; without tiles where the first one is none, so that the page itself may be read.

    Raises:
        SearchError: DuckDuckGo refuses, or breaks off.
    """
    arguments = (address, _ANSWER_SECONDS * 1000, _ANSWER_CHARACTERS)
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt)
        answer = page.run(script("duckduckgo_answer"), *arguments, answer=_ANSWER)
        if 0 < answer.status < 500:
            break
    status, text = answer.status, answer.text
    refusal = f"got no results: {_PATH} refused"
    if "anomaly" in text and "<" in text[:200]:
        page.fail("captcha", f"{refusal} with a CAPTCHA (status {status})")
    if status in (202, 403, 429, 503):
        page.fail("blocked", f"{refusal} ({' '.join(text.split())[:60] or 'no text'}, status {status})")
    if answer.tiles is None:
        broken = f"{_PATH} returned status {status} without results in JSON"
        page.judge(verdict := page.verdict())
        if known:
            page.fail("stalled", f"broke off after {known} results: {broken}")
        if verdict.state != "results":
            page.fail("layout_changed", f"shows no results, and {broken}; the layout may have changed")
    return answer
