"""A results page in a browser: open it, classify it, and run scripts on it."""

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
from pixmill.scrape.sources.page_state import PageFacts, PageState, Verdict, classify
from pixmill.scrape.sources.source import Access, Failure, SearchError
from pixmill.scrape.sources.tile import Tile

if TYPE_CHECKING:
    from selenium.common import WebDriverException
    from selenium.webdriver.remote.webdriver import WebDriver

Answer = TypeVar("Answer")

ALTERNATIVES = (
    "use another source (openverse and wikimedia have public APIs), or retry on another day"
)
"""Advice if a site does not answer a search."""

_DOCTOR = "find the cause with: pixmill doctor"
"""Advice if a site is unreachable."""

_MAX_ATTEMPTS = 3
"""Attempts to run a script on a page that reloads meanwhile."""

_RETRY_SECONDS = 0.2

_CONSENT_TIMEOUT_SECONDS = 5.0
_CONSENT_POLL_SECONDS = 0.3
_RECHECK_SECONDS = 2.0

_INVALID_SELECTOR = "invalid selector: "
"""Error message of ``prelude.js``."""

_MISSING = {
    "item": "no results",
    "key": "results without a distinct key",
    "image": "results without images",
}

_NOT_RESULTS: Mapping[PageState, tuple[Failure, str]] = {
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
    """The visible part of a page, as returned by ``look.js``.

    Args:
        url: Current URL.
        tiles: Results on the page, except those whose original is known.
        count: Number of all results on the page.
        ended: Whether the end mark is shown.
        pressed: Kind of the button that was pressed.
        position: Scroll position in pixels, of the page and of the box that holds the results.
        bottom: Whether the page is scrolled to its bottom, and so is the box that holds the
            results.
        onward: Whether the button to the next results is enabled and has no URL.
    """

    url: str
    tiles: list[Tile]
    count: int
    ended: bool
    pressed: str | None
    position: int
    bottom: bool
    onward: bool


ADDRESS: TypeAdapter[str | None] = TypeAdapter(str | None)
"""Result of scripts that return a URL."""

_VIEW = TypeAdapter(PageView)
_NOTHING = TypeAdapter(None)
_FACTS = TypeAdapter(PageFacts)


class Page:
    """A results page in a browser.

    Args:
        driver: Driver of the browser.
        site: Description of the site.
        query: The query.
        access: Permits pages and saves failed ones.

    Attributes:
        url: URL that was opened.
        status: HTTP status; 0 if unknown.
        arrived: URL after redirects, as of the last script.
    """

    def __init__(
        self, driver: WebDriver, site: SiteDefinition, query: Query, access: Access
    ) -> None:
        self.driver = driver
        self.site = site
        self.query = query
        self.access = access
        self.url = query.address
        self.status = 0
        self.arrived = ""
        self._site_json = site.model_dump_json()

    def open(self, url: str) -> Verdict:
        """Open a page, answer its consent dialog, and return its verdict.

        Raises:
            SearchError: The page must not be visited, cannot be reached, or returned an error.
        """
        self._check_permission(url)
        self.url = url
        self._visit()
        verdict = self.verdict()
        if verdict.state == "consent":
            verdict = self._answer_consent()
        if verdict.state in ("unknown", "js_shell") and self.status >= 400:
            if self.status >= 500:
                self.fail(
                    "blocked",
                    f"returned status {self.status}: the site is down, or blocks automated access",
                )
            advice = f"check the url in {self.site.name}.yaml (last checked {self.site.checked})"
            self.fail("layout_changed", f"returned status {self.status}: {advice}")
        if verdict.state == "results" and self.arrived != without_fragment(url):
            self._check_permission(self.arrived)
        return verdict

    def run(self, source: str, *arguments: Any, answer: TypeAdapter[Answer]) -> Answer:
        """Run a script and return its validated result; retry if the page reloads meanwhile.

        The result is validated since scripts of the page can change builtins, and alerts discard
        results.

        Args:
            source: Body of a function, which may use ``site`` and the functions of ``prelude.js``.
            arguments: Value of ``arguments`` in the script, plain JSON.
            answer: Type of the result.

        Raises:
            SearchError: The script failed each time, or a selector is invalid.
        """
        from selenium.common import WebDriverException

        text = f"{script('prelude')}\nconst site = {self._site_json};\n{source}"
        problem = ""
        for _ in range(_MAX_ATTEMPTS):
            try:
                return answer.validate_python(self.driver.execute_script(text, *arguments))
            except ValidationError:
                problem = "its own scripts or alerts interfere"
            except WebDriverException as error:
                problem = _first_line(error)
                if _INVALID_SELECTOR in problem:
                    name = f"{self.site.name}.yaml"
                    selector = problem.partition(_INVALID_SELECTOR)[2]
                    what = (
                        f"cannot be searched: {name}: expected CSS selectors, received '{selector}'"
                    )
                    self.fail("layout_changed", what, advice=f"edit {name}")
            time.sleep(_RETRY_SECONDS)
        return self.fail("stalled", f"cannot be read: {problem}")

    def look(
        self,
        complete: Sequence[str],
        *,
        buttons: Sequence[str],
        smooth: bool = True,
        back: int = 0,
    ) -> PageView:
        """Read the visible results, press a button if one is shown, and scroll one step.

        Args:
            complete: Keys of tiles whose original is known.
            buttons: Kinds of buttons that may be pressed.
            smooth: Whether to scroll smoothly.
            back: Viewports by which to scroll back instead, to make a stalled page load more.

        Raises:
            SearchError: The page redirected to another site, or cannot be read.
        """
        source = (
            f"{_PRELUDE}\nconst extract = () => "
            f"{{\n{script(self.site.script)}\n}};\n{script('look')}"
        )
        step = {"buttons": buttons, "smooth": smooth, "back": back}
        view = self.run(source, complete, step, answer=_VIEW)
        if (arrived := without_fragment(view.url)) != self.arrived:
            self._check_redirect(arrived)
        return view

    def verdict(self) -> Verdict:
        """Classify the current page."""
        facts = self.run(script("state"), answer=_FACTS)
        self.status = facts.status
        self.arrived = without_fragment(facts.url)
        return classify(facts, self.site.states)

    def raise_for_state(self, verdict: Verdict) -> None:
        """Raise an error if the page is known not to show results.

        Raises:
            SearchError: The page shows a CAPTCHA, a block, a consent dialog or no results.
        """
        if verdict.state in _NOT_RESULTS:
            failure, what = _NOT_RESULTS[verdict.state]
            self.fail(
                failure,
                what.format(verdict.sign),
                advice=None if failure == "no_results" else ALTERNATIVES,
            )

    def fail_layout(self, place: str) -> NoReturn:
        """Raise an error for selectors without matches, unless a second check explains them.

        Args:
            place: Name of the selectors: ``item``, ``key`` or ``image``.

        Raises:
            SearchError: Always.
        """
        time.sleep(_RECHECK_SECONDS)
        self.raise_for_state(self.verdict())
        selectors = "', '".join(self.site.selectors.get(place, ()))
        name = self.site.name
        cause = (
            f"nothing{' but placeholders' if place == 'image' else ''} matched '{selectors}'"
            if selectors
            else f"{self.site.script}.js found nothing"
        )
        self.fail(
            "layout_changed",
            f"shows {_MISSING[place]}: {cause} ({name}.yaml, selectors.{place}, checked "
            f"{self.site.checked}); its "
            "layout may have changed",
            advice=f"check what each selector finds with: pixmill scrape --probe {name} "
            f"{json.dumps(self.query.text or '', ensure_ascii=False)}",
        )

    def fail(self, failure: Failure, what: str, *, advice: str | None = ALTERNATIVES) -> NoReturn:
        """Save the page and raise an error.

        Args:
            failure: Kind of the failure.
            what: Description of the failure; the message puts the URL before it.
            advice: Next step for the user.

        Raises:
            SearchError: Always.
        """
        evidence = self.access.save_failure_page(self.driver, self.query)
        raise SearchError(failure, f"{self.url} {what}", advice=advice, evidence=evidence)

    def _visit(self) -> None:
        from selenium.common import WebDriverException

        from pixmill.fetch.browser import LoadTimeoutError, UnreachableError, visit

        try:
            visit(self.driver, self.url)
        except LoadTimeoutError:
            self.fail("timeout", "did not load in time")
        except UnreachableError as error:
            self.fail("unreachable", f"cannot be reached: {error.reason}", advice=_DOCTOR)
        except WebDriverException as error:
            self.fail("unreachable", f"cannot be opened: {_first_line(error)}")

    def _check_redirect(self, arrived: str) -> None:
        """Raise an error if the page redirected to another site or to a forbidden page."""
        self.arrived = arrived
        self._check_permission(arrived)
        if origin(arrived) != origin(self.query.address):
            self.raise_for_state(self.verdict())
            self.fail("stalled", f"redirected to another site: {origin(arrived)}")

    def _answer_consent(self) -> Verdict:
        """Press the consent button and return the new verdict.

        Sites return to the results by themselves; otherwise the page is opened again.
        """
        deadline = time.monotonic() + _CONSENT_TIMEOUT_SECONDS
        verdict = Verdict("consent")
        while verdict.state == "consent" and time.monotonic() < deadline:
            self.run(_CONSENT, answer=_NOTHING)
            time.sleep(_CONSENT_POLL_SECONDS)
            verdict = self.verdict()
        if verdict.state in ("results", "consent"):
            return verdict
        self._visit()
        return self.verdict()

    def _check_permission(self, url: str) -> None:
        """Raise an error if a page must not be visited."""
        refused = self.access.find_refusal(url)
        if refused is None:
            return
        if refused.reason in ("no_training", "robots"):
            raise SearchError(
                "robots",
                f"{url} is disallowed by robots.txt"
                if refused.reason == "robots"
                else f"{url}: {refused.detail}",
                advice="try another source (openverse and wikimedia have public APIs), or override "
                "robots.txt "
                "for this host in scrape.robots_exceptions, on your own responsibility",
            )
        cause = "its host is in scrape.opt_out" if refused.reason == "opted_out" else refused.reason
        cause += f", {refused.detail}" if refused.detail else ""
        verb, advice = ("cannot", _DOCTOR) if refused.transient else ("must not", None)
        raise SearchError("unreachable", f"{url} {verb} be visited: {cause}", advice=advice)


def _first_line(error: WebDriverException) -> str:
    return (error.msg or type(error).__name__).splitlines()[0]


def without_fragment(url: str) -> str:
    """Return a URL without its fragment."""
    return url.partition("#")[0]


def origin(url: str) -> str:
    """Return the scheme and host of a URL.

    Raises:
        ValueError: The URL is invalid.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@cache
def script(name: str) -> str:
    """Return the text of ``<name>.js`` in this package."""
    return files(__package__).joinpath(f"{name}.js").read_text(encoding="utf-8")
