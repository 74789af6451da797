"""One page of a site in a browser: opened, told from what it is not, and asked by scripts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.failure import Failure, SearchError
from pixmill.scrape.sources.page_state import PageFacts, PageState, Verdict, classify
from pixmill.scrape.sources.source import Access
from pixmill.scrape.sources.tile import Tile

if TYPE_CHECKING:
    from selenium.common import WebDriverException
    from selenium.webdriver.remote.webdriver import WebDriver

Answer = TypeVar("Answer")

ALTERNATIVES = "use another source (openverse and wikimedia have public APIs), or retry on another day"
"""Advice for a search that a site does not answer."""

_DOCTOR = "find the cause with: pixmill doctor"
"""Advice where the network does not reach a site."""

_ATTEMPTS = 3
"""How often a script is run whose page is exchanged under its hands."""

_EXCHANGE_SECONDS = 0.2

_CONSENT_SECONDS = 5.0
_CONSENT_PAUSE = 0.3
_SECOND_LOOK_SECONDS = 2.0

_UNSOUND = "unsound selector: "
"""How ``prelude.js`` speaks of a selector that no browser understands."""

_MISSING = {
    "item": "no results",
    "key": "results without a distinct key",
    "image": "results without images",
}

_NONE_OF_RESULTS: Mapping[PageState, tuple[Failure, str]] = {
    "captcha": ("captcha", "shows a CAPTCHA ({}), which Pixmill does not solve"),
    "blocked": ("blocked", "blocks automated access or limits the request rate ({})"),
    "consent": ("consent", "asks for consent ({}), and none of the known buttons was found"),
    "empty": ("no_results", "has no results ({})"),
    "js_shell": ("blocked", "contains only scripts ({}): the site blocks this browser"),
}

_CONSENT = "named(site.consent)[1]?.click(); return null;"

_PRELUDE = "const [complete, step] = [new Set(arguments[0]), arguments[1]];"


@dataclass(frozen=True)
class PageView:
    """What ``look.js`` sees of a page.

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


ADDRESS: TypeAdapter[str | None] = TypeAdapter(str | None)
"""What a script returns that looks for an address."""

_LOOK = TypeAdapter(PageView)
_NOTHING = TypeAdapter(None)
_FACTS = TypeAdapter(PageFacts)


class Page:
    """A page of results in a browser, for a query.

    Args:
        driver: The browser's driver.
        site: What is known of the site.
        query: What is asked.
        access: Who permits pages, and keeps what is seen of those that fail.

    Attributes:
        url: The page that was opened.
        status: The HTTP status that it came with; 0 where the browser does not tell.
        arrived: Where it is after all redirects, as far as was looked.
    """

    def __init__(self, driver: WebDriver, site: SiteDefinition, query: Query, access: Access) -> None:
        self.driver = driver
        self.site = site
        self.query = query
        self.access = access
        self.url = query.address
        self.status = 0
        self.arrived = ""
        self._site_json = site.model_dump_json()

    def open(self, url: str) -> Verdict:
        """Visit a page, answer its request for consent, and return what it is then.

        Raises:
            SearchError: It must not be visited, cannot be reached, or answers with an error.
        """
        self._permit(url)
        self.url = url
        self._visit()
        verdict = self.verdict()
        if verdict.state == "consent":
            verdict = self._agree()
        if verdict.state in ("unknown", "js_shell") and self.status >= 500:
            self.fail("blocked", f"returned status {self.status}: the site is down, or blocks automated access")
        if verdict.state in ("unknown", "js_shell") and self.status >= 400:
            name, checked = f"{self.site.name}.yaml", self.site.checked
            what = f"check the url in {name} (last checked {checked})"
            self.fail("layout_changed", f"returned status {self.status}: {what}")
        # What stands in the place of results is named for what it is, whatever its address.
        if verdict.state == "results" and self.arrived != document(url):
            self._permit(self.arrived)
        return verdict

    def run(self, source: str, *arguments: Any, answer: TypeAdapter[Answer]) -> Answer:
        """Return what a script returns, whose page may be exchanged while it runs.

        A page's own scripts may have changed what every word of a script means, and an alert takes its answer away:
        what comes is believed only where it has the shape that was agreed on.

        Args:
            source: The body of a function; it sees ``site``, and the functions of ``prelude.js``.
            arguments: What it finds in ``arguments``, plain JSON.
            answer: The shape of what it returns.

        Raises:
            SearchError: The page breaks every script, or closed its window; or a selector is not sound.
        """
        from selenium.common import WebDriverException

        text = f"{script('prelude')}\nconst site = {self._site_json};\n{source}"
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                return answer.validate_python(self.driver.execute_script(text, *arguments))
            except ValidationError:
                problem = "its own scripts or alerts interfere"
            except WebDriverException as error:
                problem = _first_line(error)
                if _UNSOUND in problem:
                    name, unsound = f"{self.site.name}.yaml", problem.partition(_UNSOUND)[2]
                    # Of this search alone: a page, too, may say so.
                    what = f"cannot be searched: {name}: expected CSS selectors, received '{unsound}'"
                    self.fail("layout_changed", what, advice=f"edit {name}")
            time.sleep(_EXCHANGE_SECONDS)
        return self.fail("stalled", f"cannot be read: {problem}")

    def look(
        self, complete: Sequence[str], *, buttons: Sequence[str], smooth: bool = True, nudge: bool = False
    ) -> PageView:
        """Return what ``look.js`` sees with the site's own script, and go one step on.

        Args:
            complete: The keys of tiles whose original is known.
            buttons: The kinds that may be pressed.
            smooth: Whether to glide.
            nudge: Whether to stir a page that stands still.

        Raises:
            SearchError: The page went where it must not be followed, or cannot be read.
        """
        source = f"{_PRELUDE}\nconst extract = () => {{\n{script(self.site.script)}\n}};\n{script('look')}"
        step = {"buttons": buttons, "smooth": smooth, "nudge": nudge}
        look = self.run(source, complete, step, answer=_LOOK)
        if (arrived := document(look.url)) != self.arrived:
            self._follow(arrived)
        return look

    def verdict(self) -> Verdict:
        """Return what the page is now."""
        facts = self.run(script("state"), answer=_FACTS)
        self.status = facts.status
        self.arrived = document(facts.url)
        return classify(facts, self.site.states)

    def judge(self, verdict: Verdict) -> None:
        """Complain of a page that is known to be none of results.

        Raises:
            SearchError: It is.
        """
        if verdict.state in _NONE_OF_RESULTS:
            failure, what = _NONE_OF_RESULTS[verdict.state]
            self.fail(failure, what.format(verdict.sign), advice=None if failure == "no_results" else ALTERNATIVES)

    def missing(self, place: str) -> NoReturn:
        """Complain of a page that shows nothing of what it must, after a second look.

        Args:
            place: Whose selectors find nothing: ``item``, ``key`` or ``image``.

        Raises:
            SearchError: With what the page is, or with the selectors that find nothing.
        """
        time.sleep(_SECOND_LOOK_SECONDS)
        self.judge(self.verdict())
        selectors = "', '".join(self.site.selectors.get(place, ()))
        name = self.site.name
        cause = f"nothing matched '{selectors}'" if selectors else f"{self.site.script}.js found nothing"
        self.fail(
            "layout_changed",
            f"shows {_MISSING[place]}: {cause} ({name}.yaml, selectors.{place}, checked {self.site.checked}); its "
            "layout may have changed",
            advice=f"check what each selector finds with: pixmill scrape --probe {name} "
            f"{json.dumps(self.query.text or '', ensure_ascii=False)}",
        )

    def fail(self, failure: Failure, what: str, *, advice: str | None = ALTERNATIVES) -> NoReturn:
        """End the search, and keep what the browser shows.

        Args:
            failure: The word for tables.
            what: What the page does, to stand behind its address.
            advice: What the user can do.

        Raises:
            SearchError: Always.
        """
        evidence = self.access.witness(self.driver, self.query)
        raise SearchError(failure, f"{self.url} {what}", advice=advice, evidence=evidence)

    def _visit(self) -> None:
        """Load the page."""
        from selenium.common import WebDriverException

        from pixmill.web.browser import LoadTimeoutError, UnreachableError, visit

        try:
            visit(self.driver, self.url)
        except LoadTimeoutError:
            self.fail("timeout", "did not load in time")
        except UnreachableError as error:
            self.fail("unreachable", f"cannot be reached: {error.reason}", advice=_DOCTOR)
        except WebDriverException as error:
            self.fail("unreachable", f"cannot be opened: {_first_line(error)}")

    def _follow(self, arrived: str) -> None:
        """Allow a page to have gone elsewhere, by a button or by itself, as far as a link would be followed."""
        self.arrived = arrived
        self._permit(arrived)
        if origin(arrived) != origin(self.query.address):
            self.judge(self.verdict())
            self.fail("stalled", f"redirected to another site: {origin(arrived)}")

    def _agree(self) -> Verdict:
        """Answer a request for consent, and return what the page is then.

        Sites lead back to the results by themselves; one that leads elsewhere is visited once more.
        """
        deadline = time.monotonic() + _CONSENT_SECONDS
        verdict = Verdict("consent")
        while verdict.state == "consent" and time.monotonic() < deadline:
            self.run(_CONSENT, answer=_NOTHING)
            time.sleep(_CONSENT_PAUSE)
            verdict = self.verdict()
        if verdict.state in ("results", "consent"):
            return verdict
        self._visit()
        return self.verdict()

    def _permit(self, url: str) -> None:
        """Complain of a page that must not be visited."""
        refused = self.access.find_refusal(url)
        if refused is None:
            return
        if refused.reason == "robots":
            raise SearchError(
                "robots",
                f"{url} is disallowed by robots.txt",
                advice="try another source (openverse and wikimedia have public APIs), or override robots.txt "
                "for this host in scrape.robots_exceptions, on your own responsibility",
            )
        cause = "its host is in scrape.opt_out" if refused.reason == "opted_out" else refused.reason
        cause += f", {refused.detail}" if refused.detail else ""
        verb, advice = ("cannot", _DOCTOR) if refused.transient else ("must not", None)
        raise SearchError("unreachable", f"{url} {verb} be visited: {cause}", advice=advice)


def _first_line(error: WebDriverException) -> str:
    return (error.msg or type(error).__name__).splitlines()[0]


def document(url: str) -> str:
    """Return an address without the place on its page."""
    return url.partition("#")[0]


def origin(url: str) -> str:
    """Return the scheme and the host of an address.

    Raises:
        ValueError: It is no URL.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@cache
def script(name: str) -> str:
    """Return a script of this package."""
    return files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8")
