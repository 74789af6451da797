"""One page of a site in a browser: opened, told from what it is not, and asked by scripts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from pixmill.browser.visit import LoadTimeout, Unreachable, visit
from pixmill.fetch import Refused
from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.asked_pause import asked_pause
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.failure import Failure, SearchFailed
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.state import Facts, Verdict, classify
from pixmill.scrape.sources.tile import Tile

if TYPE_CHECKING:
    from selenium.common import WebDriverException
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["ALTERNATIVES", "ANYTHING", "Look", "Page", "script"]

Told = TypeVar("Told")

ALTERNATIVES = "try another source, or the same one on another day; openverse and wikimedia answer programs by design"
"""What a person may do whose search a site does not answer."""

_LOOK = "see what is amiss: pixmill doctor"
"""What a person may do whose network does not lead to a site."""

_ATTEMPTS = 3
"""How often a script is run whose page is exchanged under its hands."""

_EXCHANGE_SECONDS = 0.2

_CONSENT_SECONDS = 5.0
_CONSENT_PAUSE = 0.3
_SECOND_LOOK_SECONDS = 2.0

_ERRORS, _SERVER_ERRORS = 400, 500

_UNSOUND = "unsound selector: "
"""How ``page.js`` speaks of a selector that no browser understands."""

_MISSING = {
    "item": "no result",
    "key": "results that nothing tells apart",
    "picture": "results without any picture",
}

_PRELUDE = """\
const [known, met, step] = arguments;
const complete = new Set(known), seen = new Set(met);
"""

_PRESS = "button(site.consent)?.click();"


@dataclass(frozen=True)
class Look:
    """Hold what ``look.js`` sees.

    Args:
        url: Where the page is now.
        tiles: The results that it shows, but for those whose original is known.
        count: How many results it shows in all.
        ended: Whether it shows the mark of its end.
        pressed: The kind of the button that was pressed.
        position: How far it is scrolled, in pixels.
        bottom: Whether that is all the way.
    """

    url: str
    tiles: list[Tile]
    count: int
    ended: bool
    pressed: str | None
    position: int
    bottom: bool


@dataclass(frozen=True)
class _State:
    status: int
    url: str
    title: str
    words: str
    source: str
    count: int
    found: dict[str, str]


ANYTHING = TypeAdapter(object)
"""What a script tells whose answer is of no use."""

_SEEN = TypeAdapter(Look)
_STATE = TypeAdapter(_State)


class Page:
    """Hold a page of results in a browser, for a query.

    Args:
        driver: The browser's driver.
        site: What is known of the site.
        query: What is asked.
        access: Who permits pages, and keeps what is seen of those that fail.
    """

    def __init__(self, driver: WebDriver, site: SiteDefinition, query: Query, access: Access) -> None:
        self.driver = driver
        self.site = site
        self.query = query
        self.access = access
        self.url = query.address
        self.status = 0
        self._arrived = ""
        self._described = site.model_dump_json()

    def open(self, url: str) -> Verdict:
        """Visit a page, answer its request for consent, and return what it is then.

        Raises:
            SearchFailed: It must not be visited, cannot be reached, or answers with an error.
        """
        self._permit(url)
        self.url = url
        self._visit()
        verdict = self.verdict()
        if verdict.state == "consent":
            verdict = self._agree()
        if verdict.state in ("unknown", "js_shell") and self.status >= _ERRORS:
            self._misses()
        # What stands in the place of results is named for what it is, whatever its address.
        if verdict.state == "results" and self._arrived != _document(url):
            self._permit(self._arrived)
        return verdict

    def run(self, source: str, *arguments: Any, told: TypeAdapter[Told]) -> Told:
        """Return what a script returns, whose page may be exchanged while it runs.

        A page's own scripts may have changed what every word of a script means, and an alert takes its answer away:
        what comes is believed only where it has the shape that was agreed on.

        Args:
            source: The body of a function; it sees ``site``, and the words of ``page.js``.
            arguments: What it finds in ``arguments``, plain JSON.
            told: The shape of what it returns.

        Raises:
            SearchFailed: The page breaks every script, or closed its window; or a selector is not sound.
        """
        from selenium.common import WebDriverException

        text = f"{script('page')}\nconst site = {self._described};\n{source}"
        said = ""
        for _ in range(_ATTEMPTS):
            try:
                return told.validate_python(self.driver.execute_script(text, *arguments))
            except ValidationError:
                said = "its own scripts or alerts get into the way"
            except WebDriverException as error:
                said = _said(error)
                if _UNSOUND in said:
                    name, unsound = f"{self.site.name}.yaml", said.partition(_UNSOUND)[2]
                    # Of this search alone: a page, too, may say so.
                    what = f"cannot be searched: {name}: expected CSS selectors, received '{unsound}'"
                    self.fail("layout_changed", what, advice=f"edit {name}")
            time.sleep(_EXCHANGE_SECONDS)
        return self.fail("stalled", f"cannot be read: {said}")

    def look(self, complete: list[str], seen: list[str], step: dict[str, Any]) -> Look:
        """Return what ``look.js`` sees with the site's own script, and go one step on.

        Args:
            complete: The keys of tiles whose original is known.
            seen: The keys of all tiles that are known.
            step: ``buttons``, the kinds that may be pressed; ``smooth``, whether to glide; ``nudge``, whether to stir a
                page that stands still; ``sweep``, whether to begin at its top again.

        Raises:
            SearchFailed: The page went where it must not be followed, or cannot be read.
        """
        source = f"{_PRELUDE}const extract = () => {{\n{script(self.site.script)}\n}};\n{script('look')}"
        seen_now = self.run(source, complete, seen, step, told=_SEEN)
        if (arrived := _document(seen_now.url)) != self._arrived:
            self._follow(arrived)
        return seen_now

    def verdict(self) -> Verdict:
        """Return what the page is now."""
        seen = self.run(script("state"), told=_STATE)
        self.status = seen.status
        self._arrived = _document(seen.url)
        facts = Facts(seen.url, seen.title, seen.words, seen.source, seen.count, seen.found)
        return classify(facts, self.status, self.site.states)

    def judge(self, verdict: Verdict) -> None:
        """Complain of a page that is known to be none of results.

        Raises:
            SearchFailed: It is.
        """
        match verdict.state:
            case "captcha":
                self.fail(
                    "captcha", f"asks for a proof of being human ({verdict.sign}), which this program does not give"
                )
            case "blocked":
                pause = asked_pause(self.driver)
                told = f"; it asks for a pause (Retry-After: {pause})" if pause is not None else ""
                self.fail("blocked", f"refuses programs or asks for a pause ({verdict.sign}){told}")
            case "consent":
                self.fail("consent", f"asks for a consent ({verdict.sign}) that none of the known buttons answers")
            case "empty":
                self.fail("no_results", f"says that it has no results ({verdict.sign})", advice=None)
            case "js_shell":
                self.fail("blocked", f"draws nothing but a shell of scripts ({verdict.sign}): it refuses this browser")

    def missing(self, place: str) -> NoReturn:
        """Complain of a page that shows nothing of what it must, after a second look.

        Args:
            place: Whose selectors find nothing: ``item``, ``key`` or ``picture``.

        Raises:
            SearchFailed: With what the page is, or with the selectors that find nothing.
        """
        time.sleep(_SECOND_LOOK_SECONDS)
        self.judge(self.verdict())
        selectors = "', '".join(self.site.selectors.get(place, ()))
        name = self.site.name
        found = f"nothing matched '{selectors}'" if selectors else f"{self.site.script}.js found nothing"
        self.fail(
            "layout_changed",
            f"shows {_MISSING[place]}: {found} ({name}.yaml, selectors.{place}, checked {self.site.checked}); has its "
            "layout changed?",
            advice=f"see what each selector finds with: pixmill scrape --probe {name} "
            f"{json.dumps(self.query.text or '', ensure_ascii=False)}",
        )

    def fail(self, failure: Failure, what: str, *, advice: str | None = ALTERNATIVES) -> NoReturn:
        """End the search, and keep what the browser shows.

        Args:
            failure: The word for tables.
            what: What the page does, to stand behind its address.
            advice: What a person may do.

        Raises:
            SearchFailed: Always.
        """
        evidence = self.access.witness(self.driver, self.query)
        raise SearchFailed(failure, f"{self.url} {what}", advice=advice, evidence=evidence)

    def _visit(self) -> None:
        """Load the page."""
        from selenium.common import WebDriverException

        try:
            visit(self.driver, self.url)
        except LoadTimeout:
            self.fail("timeout", "did not load in time")
        except Unreachable as error:
            self.fail("unreachable", f"cannot be reached: {error.reason}", advice=_LOOK)
        except WebDriverException as error:
            self.fail("unreachable", f"cannot be opened: {_said(error)}")

    def _follow(self, arrived: str) -> None:
        """Allow a page to have gone elsewhere, by a button or by itself, as far as a link would be followed."""
        self._arrived = arrived
        self._permit(arrived)
        here, there = urlsplit(self.query.address), urlsplit(arrived)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            self.judge(self.verdict())
            self.fail("stalled", f"went to another site: {there.scheme}://{there.netloc}")

    def _agree(self) -> Verdict:
        """Answer a request for consent, and return what the page is then.

        Sites lead back to the results by themselves; one that leads elsewhere is visited once more.
        """
        for visits in range(2):
            self._press_consent()
            verdict = self.verdict()
            if verdict.state in ("results", "consent") or visits:
                return verdict
            self._visit()
            verdict = self.verdict()
            if verdict.state != "consent":
                return verdict
        return verdict

    def _press_consent(self) -> None:
        """Press the buttons that answer, for as long as the page goes on asking."""
        deadline = time.monotonic() + _CONSENT_SECONDS
        while time.monotonic() < deadline:
            self.run(_PRESS, told=ANYTHING)
            time.sleep(_CONSENT_PAUSE)
            if self.verdict().state != "consent":
                return

    def _misses(self) -> NoReturn:
        """Complain of a page that the site answers with an error."""
        if self.status >= _SERVER_ERRORS:
            self.fail("blocked", f"answered with status {self.status}: the site fails, or refuses programs")
        self.fail(
            "layout_changed",
            f"answered with status {self.status}: is its address still so ({self.site.name}.yaml, url, checked "
            f"{self.site.checked})?",
        )

    def _permit(self, url: str) -> None:
        """Complain of a page that must not be visited."""
        if refused := self.access.permitted(url):
            self._refuse(url, refused)

    def _refuse(self, url: str, refused: Refused) -> NoReturn:
        if refused.reason == "robots":
            raise SearchFailed(
                "robots",
                f"{url} must not be visited: robots.txt asks programs to stay away",
                advice="try another source: openverse and wikimedia answer programs by design; who answers for it may "
                "name the host in scrape.robots_exceptions",
            )
        said = f"{refused.reason}, {refused.detail}" if refused.detail else refused.reason
        if refused.reason == "opted_out":
            raise SearchFailed("unreachable", f"{url} must not be visited: its host is among scrape.opt_out")
        if refused.transient:
            raise SearchFailed("unreachable", f"{url} cannot be visited: {said}", advice=_LOOK)
        raise SearchFailed("unreachable", f"{url} must not be visited: {said}")


def _said(error: WebDriverException) -> str:
    return (error.msg or type(error).__name__).splitlines()[0]


def _document(url: str) -> str:
    return url.partition("#")[0]


@cache
def script(name: str) -> str:
    """Return a script of this package."""
    return files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8")
