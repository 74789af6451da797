"""Tell a page of results from what a site may show in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixmill.scrape.sources.definition import Markers, States

__all__ = ["Facts", "PageState", "Verdict", "classify"]

PageState = Literal["results", "captcha", "blocked", "consent", "empty", "js_shell", "unknown"]

REFUSALS = (202, 403, 429, 503)
"""Statuses by which sites turn programs away; 202 is DuckDuckGo's."""

_SHELL_CHARACTERS = 200
"""A page that draws its results by script, and was not allowed to, shows no more text than this."""


@dataclass(frozen=True)
class Facts:
    """Hold what ``state.js`` sees of a page.

    Args:
        url: Its address, after all redirects.
        title: Its title.
        words: Its visible text, or the beginning of it.
        source: Its HTML, or the beginning of it.
        count: How many results the selectors find.
        found: Of the markers by selector, the first that finds something, by the state that it speaks for.
    """

    url: str
    title: str
    words: str
    source: str
    count: int
    found: Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """Say what a page is, and the sign that it is known by."""

    state: PageState
    sign: str = ""


def classify(facts: Facts, status: int, states: States) -> Verdict:
    """Return what a page is.

    Addresses and selectors speak first, then the status, then the results themselves: words are asked only where there
    are none, since a result may be called anything. A consent that lies over results hides none of them.

    Args:
        facts: What is seen of it.
        status: The HTTP status that it came with.
        states: The markers of its site.
    """
    if sign := _mark("captcha", facts, states.captcha):
        return Verdict("captcha", sign)
    if sign := _mark("blocked", facts, states.blocked):
        return Verdict("blocked", sign)
    if status in REFUSALS:
        said = _said(facts, states.captcha)
        return Verdict("captcha", said) if said else Verdict("blocked", f"status {status}")
    if sign := _address(facts, states.consent):
        return Verdict("consent", sign)
    if sign := _mark("empty", facts, states.empty):
        return Verdict("empty", sign)
    if facts.count:
        return Verdict("results")
    if sign := _said(facts, states.captcha):
        return Verdict("captcha", sign)
    if sign := _said(facts, states.blocked):
        return Verdict("blocked", sign)
    if sign := _mark("consent", facts, states.consent) or _said(facts, states.consent):
        return Verdict("consent", sign)
    if sign := _said(facts, states.empty):
        return Verdict("empty", sign)
    if len(facts.words.strip()) < _SHELL_CHARACTERS and (sign := _shell(facts, states.shell)):
        return Verdict("js_shell", sign)
    return Verdict("unknown")


def _address(facts: Facts, markers: Markers) -> str:
    return next((f"address {pattern}" for pattern in markers.urls if re.search(pattern, facts.url)), "")


def _mark(state: str, facts: Facts, markers: Markers) -> str:
    return _address(facts, markers) or facts.found.get(state, "")


def _said(facts: Facts, markers: Markers) -> str:
    seen = f"{facts.title}\n{facts.words}".casefold()
    return next((f"'{words}'" for words in markers.texts if words.casefold() in seen), "")


def _shell(facts: Facts, markers: Markers) -> str:
    """Return a sign of a shell; its marks stand in the source, where no text is seen."""
    hidden = next((f"'{words}'" for words in markers.texts if words in facts.source), "")
    return hidden or _mark("shell", facts, markers)
