"""Read a page of results to its end: consent, scrolling, "show more", and no endless waiting."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pixmill.errors import BrowserError, ScrapeError

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["Card", "Listing", "Selectors"]

_NETWORK_ERROR = re.compile(r"net::ERR_\w+")
"""How Chromium names what went wrong on the way to a page."""


@dataclass(frozen=True)
class Selectors:
    """Say by CSS where things are on a page of results.

    Args:
        card: One result.
        key: The attribute of a card that tells it from all others.
        picture: Its picture, an ``img`` within it.
        link: A link to its own page, within it.
        title: Its title, within it.
        price: Its price, within it.
        consent: The button that accepts what must be accepted before anything loads.
        more: The button that asks for more results.
        end: What appears after the last result.
        nothing: What appears where there are no results.
    """

    card: str
    key: str
    picture: str
    link: str | None = None
    title: str | None = None
    price: str | None = None
    consent: str | None = None
    more: str | None = None
    end: str | None = None
    nothing: str | None = None


@dataclass(frozen=True)
class Card:
    """Hold what a card says; a picture's address is ``None`` where it never appeared."""

    picture: str | None
    page: str | None
    title: str | None
    price: str | None


@dataclass(frozen=True)
class Listing:
    """Read pages of results of one kind.

    Without a marker for the end, the end is where a page stands still in spite of four nudges, or has grown three
    times by nothing but repetitions. With a marker, either of these is an error: a page that lost its way must not pass
    for a short one.

    Args:
        selectors: Where things are.
        pause: Seconds between two looks.
        patience: Seconds that a page which stands still may take to go on.
        most: The most cards of one page, for pages that never end.
        longest: Seconds after which reading a page is given up in any case.
    """

    selectors: Selectors
    pause: float = 0.05
    patience: float = 15.0
    most: int = 10_000
    longest: float = 900.0

    def read(self, driver: WebDriver, url: str) -> Iterator[Card]:
        """Visit a page and yield its cards in their order, each once, as soon as their pictures are known.

        Args:
            driver: The browser's driver.
            url: The page; http or https.

        Raises:
            ScrapeError: The page did not load, shows nothing, or stopped before its end.
            BrowserError: The browser broke down.
        """
        from selenium.common import TimeoutException, WebDriverException
        from urllib3.exceptions import HTTPError

        try:
            driver.get(url)
            status = driver.execute_script("return performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0")
            if not 200 <= status < 300:
                raise ScrapeError(f"{url} answered with status {status}")
            yield from self._cards(driver, url)
        except TimeoutException:
            raise ScrapeError(f"{url} did not load in time") from None
        except (HTTPError, WebDriverException) as error:
            said = (getattr(error, "msg", None) or str(error) or type(error).__name__).splitlines()[0]
            if unreachable := _NETWORK_ERROR.search(said):
                raise ScrapeError(f"{url} cannot be reached: {unreachable[0]}") from None
            raise BrowserError(
                f"the browser broke down at {url}: {said}", next="dvc repro scrape (what was found is kept)"
            ) from None

    def _cards(self, driver: WebDriver, url: str) -> Iterator[Card]:
        script = files(__package__).joinpath("listing.js").read_text(encoding="utf-8")
        selectors = asdict(self.selectors)
        found: dict[str, Card] = {}
        given = 0
        ended = False
        still = _Stillness(self.patience)
        started = time.monotonic()
        while not still.over:
            known = [key for key, card in found.items() if card.picture is not None]
            before = len(found)
            look = driver.execute_script(script, selectors, known, still.nudging)
            # A card keeps the place where it was first seen; its picture may come later.
            found |= {card.pop("key"): Card(**card) for card in look["cards"]}
            ready = list(found.values())
            while given < len(ready) and ready[given].picture is not None:
                yield ready[given]
                given += 1
            full = len(found) >= self.most
            ended = look["ended"] or full
            pictures = sum(card.picture is not None for card in ready)
            if look["empty"]:
                raise ScrapeError(f"{url} says that it has no results ('{self.selectors.nothing}')")
            # A picture that is still to come is waited for: on a busy machine the end may be seen first.
            if full or (ended and look["bottom"] and pictures == len(ready)):
                break
            if time.monotonic() - started > self.longest:
                raise ScrapeError(f"{url} did not come to its end within {self.longest:g} s")
            still.note(look, fresh=len(found) > before or pictures > len(known))
            time.sleep(self.pause)
        # A card that never showed its picture was seen all the same.
        yield from list(found.values())[given:]
        self._judge(url, len(found), ended=ended)

    def _judge(self, url: str, count: int, *, ended: bool) -> None:
        if count == 0:
            raise ScrapeError(
                f"{url} shows no result: nothing matched '{self.selectors.card}' within {self.patience:g} s; has its "
                "layout changed?"
            )
        if self.selectors.end is not None and not ended:
            raise ScrapeError(
                f"{url} stopped after {count} results: neither more of them nor their end ('{self.selectors.end}') "
                f"appeared within {self.patience:g} s"
            )


class _Stillness:
    """Notice when a page no longer goes on."""

    _NUDGES = 4
    _REPETITIONS = 3

    def __init__(self, patience: float) -> None:
        self._wait = patience / self._NUDGES
        self._nudges = self._repetitions = 0
        self._count = self._position = 0
        self._since = time.monotonic()
        self.nudging = False

    @property
    def over(self) -> bool:
        """Whether the page has been given every chance."""
        return self._nudges >= self._NUDGES or self._repetitions >= self._REPETITIONS

    def note(self, look: dict[str, Any], *, fresh: bool) -> None:
        """Take in one look at the page.

        Args:
            look: What ``listing.js`` returned.
            fresh: Whether it held a card, or a card's picture, that was not there before.
        """
        grown, moved = look["count"] > self._count, look["position"] != self._position
        self._count, self._position = look["count"], look["position"]
        now, self.nudging = time.monotonic(), False
        if fresh:
            self._nudges = self._repetitions = 0
        elif grown:
            self._repetitions += 1
        elif not moved:
            if now - self._since < self._wait:
                return
            self._nudges += 1
            self.nudging = True
        self._since = now
