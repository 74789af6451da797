"""Classify pages: results, CAPTCHA, block, consent dialog, or no results."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixmill.scrape.sources.definition import Markers, States

PageState = Literal["results", "captcha", "blocked", "consent", "empty", "js_shell", "unknown"]

_BLOCKING_STATUSES = (202, 403, 429, 503)

_STATES_WITHOUT_RESULTS: tuple[PageState, ...] = ("captcha", "blocked", "consent", "empty")
"""States of a page without results, in order of precedence."""

_MAX_SHELL_CHARACTERS = 200
"""Visible text of a page that contains only scripts."""


@dataclass(frozen=True)
class PageFacts:
    """Properties of a page, as returned by ``state.js``.

    Args:
        status: HTTP status.
        url: URL after redirects.
        title: Title.
        text: Beginning of the visible text.
        html: Beginning of the HTML.
        count: Number of results that the selectors match.
        marks: First matching selector among the markers of each state.
    """

    status: int
    url: str
    title: str
    text: str
    html: str
    count: int
    marks: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """The state of a page and the marker that matched."""

    state: PageState
    sign: str = ""


def classify(facts: PageFacts, states: States) -> Verdict:
    """Classify a page.

    URLs and selectors are checked first, then the status, then the results. Texts count only on
    pages without results, whose titles may contain anything. A consent dialog over results counts
    as results.

    Args:
        facts: Properties of the page.
        states: Markers of the site.
    """
    for state in ("captcha", "blocked"):
        if sign := _mark(state, facts, states):
            return Verdict(state, sign)
    if facts.status in _BLOCKING_STATUSES:
        sign = _text(facts, states.captcha)
        return Verdict("captcha", sign) if sign else Verdict("blocked", f"status {facts.status}")
    if sign := _address(facts, states.consent):
        return Verdict("consent", sign)
    if sign := _mark("empty", facts, states):
        return Verdict("empty", sign)
    if facts.count:
        return Verdict("results")
    return _classify_bare(facts, states)


def _classify_bare(facts: PageFacts, states: States) -> Verdict:
    """Classify a page without results."""
    for state in _STATES_WITHOUT_RESULTS:
        if sign := _mark(state, facts, states) or _text(facts, getattr(states, state)):
            return Verdict(state, sign)
    if len(facts.text.strip()) < _MAX_SHELL_CHARACTERS:
        hidden = next((f"'{marker}'" for marker in states.shell.texts if marker in facts.html), "")
        if sign := hidden or _mark("shell", facts, states):
            return Verdict("js_shell", sign)
    return Verdict("unknown")


def _address(facts: PageFacts, markers: Markers) -> str:
    return next(
        (f"address {pattern}" for pattern in markers.urls if re.search(pattern, facts.url)), ""
    )


def _mark(state: str, facts: PageFacts, states: States) -> str:
    return _address(facts, getattr(states, state)) or facts.marks.get(state, "")


def _text(facts: PageFacts, markers: Markers) -> str:
    text = f"{facts.title}\n{facts.text}".casefold()
    return next((f"'{marker}'" for marker in markers.texts if marker.casefold() in text), "")
