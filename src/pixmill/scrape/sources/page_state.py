"""Tell a page of results from what a site may show in its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixmill.scrape.sources.definition import Markers, States

PageState = Literal["results", "captcha", "blocked", "consent", "empty", "js_shell", "unknown"]

_REFUSALS = (202, 403, 429, 503)
"""Statuses by which sites turn programs away."""

_ABSENT: tuple[PageState, ...] = ("captcha", "blocked", "consent", "empty")
"""What a page without results may be, in the order in which it is asked."""

_SHELL_CHARACTERS = 200
"""A page that draws its results by script, and was not allowed to, shows no more text than this."""


@dataclass(frozen=True)
class PageFacts:
    """What ``state.js`` sees of a page.

    Args:
        status: The HTTP status that it came with.
        url: Its address, after all redirects.
        title: Its title.
        text: Its visible text, or the beginning of it.
        html: Its HTML, or the beginning of it.
        count: How many results the selectors match.
        marks: The first selector among the markers that matches, by the state that it speaks for.
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
    """What a page is, and the sign that it is known by."""

    state: PageState
    sign: str = ""


def classify(facts: PageFacts, states: States) -> Verdict:
    """Return what a page is.

    Addresses and selectors speak first, then the status, then the results themselves: the text counts only where there
    are none, since a result may be called anything. A consent that lies over results hides none of them.

    Args:
        facts: What is seen of it.
        states: The markers of its site.
    """
    for state in ("captcha", "blocked"):
        if sign := _mark(state, facts, states):
            return Verdict(state, sign)
    if facts.status in _REFUSALS:
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
    """Return what a page without results is."""
    for state in _ABSENT:
        if sign := _mark(state, facts, states) or _text(facts, getattr(states, state)):
            return Verdict(state, sign)
    if len(facts.text.strip()) < _SHELL_CHARACTERS:
        # The words of a shell stand in the HTML, since it shows no text.
        hidden = next((f"'{marker}'" for marker in states.shell.texts if marker in facts.html), "")
        if sign := hidden or _mark("shell", facts, states):
            return Verdict("js_shell", sign)
    return Verdict("unknown")


def _address(facts: PageFacts, markers: Markers) -> str:
    return next((f"address {pattern}" for pattern in markers.urls if re.search(pattern, facts.url)), "")


def _mark(state: str, facts: PageFacts, states: States) -> str:
    return _address(facts, getattr(states, state)) or facts.marks.get(state, "")


def _text(facts: PageFacts, markers: Markers) -> str:
    text = f"{facts.title}\n{facts.text}".casefold()
    return next((f"'{marker}'" for marker in markers.texts if marker.casefold() in text), "")
