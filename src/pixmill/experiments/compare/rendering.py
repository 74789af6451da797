"""A comparison as text for a terminal, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixmill.core.words import printable
from pixmill.experiments.compare.comparison import Comparison
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.view import RECORDED, better_or_worse, view
from pixmill.pages import shorten
from pixmill.pages.page import make_environment
from pixmill.pages.text import render_text

if TYPE_CHECKING:
    import jinja2

LIMIT = 64_000
"""Bytes; GitHub refuses a comment of more than 65,536 characters."""

_MOST = 6
"""Rows or lines of a kind on a terminal."""

_SIZES = ((20, 300), (10, 200), (3, 100), (1, 50))
"""Rows of a kind, and letters of a line, in Markdown: tried in this order until it is short enough."""

_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
"""What Markdown reads as markup within a line."""

_BLOCK = re.compile(r"^(\d*)([#+=.)-])")
"""What begins a heading or a list."""

_LINKING = re.compile(
    r"""[@#!%&~$^](?=[\w"'.?&-])|:(?=//|[\w+-]+:)|\[(?=\w+:)|\bGH-(?=\d)|\bwww(?=\.)""", re.IGNORECASE
)
"""What begins a mention, a reference, a link or an emoji on GitHub or GitLab, where a backslash does not stop it."""

_URL = re.compile(r"https?://(?!127\.0\.0\.1\b|localhost\b)[^\s<>\\]{1,500}")
"""An address that leads somewhere on other machines, too."""


def comparison_text(comparison: Comparison) -> str:
    """Return plain text: verdict first, then the gate and all that differs, in lines of at most 100 columns."""
    return render_text("pixmill.experiments.compare", "comparison.txt", most=_MOST, **content(comparison))


def comparison_markdown(comparison: Comparison) -> str:
    """Return Markdown: verdict first, less detail the more there is, never more than 64,000 bytes of UTF-8.

    Whatever comes from data (names of classes, files, params, commits) is escaped: it can neither add markup nor
    mention a person nor lead anywhere.
    """
    made = content(comparison)
    texts = (_markdown(made, most, letters) for most, letters in _SIZES)
    return next(text for text in texts if len(text.encode("utf-8")) <= LIMIT)


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the view, and what the templates call."""
    made = view(comparison)
    sides = [side["recorded"] for side in (made["base"], made["head"]) if side and side["recorded"]]
    recorded = [name for name in RECORDED if any(side[name] is not None for side in sides)]
    return {**made, "recorded": recorded, "better_or_worse": better_or_worse, "metric_name": metric_name}


def metric_name(name: str) -> str:
    """Return what people call a metric, within a sentence."""
    return METRIC_NAMES.get(name, re.sub(r"^top_(\d+)_", r"top-\1 ", name))


def escape(text: str, letters: int) -> str:
    """Return text that shows as it is: on one line, without markup, mentions and links.

    Args:
        text: Such as the name of a class.
        letters: How many are kept.
    """
    # A space without width separates the sign from what it would refer to.
    harmless = _LINKING.sub("\\g<0>\u200b", printable(shorten(text, letters)))
    return _SPECIAL.sub(r"\\\g<0>", html.escape(harmless, quote=False))


def _markdown(made: Mapping[str, Any], most: int, letters: int) -> str:
    drawn = _environment(most, letters).get_template("comparison.txt").render(made)
    return re.sub(r"\n{3,}", "\n\n", drawn).strip() + "\n"


@functools.cache
def _environment(most: int, letters: int) -> jinja2.Environment:
    from markupsafe import Markup

    def show(value: Any) -> Any:
        return value if hasattr(value, "__html__") else Markup(escape(str(value), letters))  # noqa: S704 (escaped)

    def link(name: str, url: str) -> Any:
        return Markup(f"[{show(name)}](<{url}>)") if _URL.fullmatch(url) else name  # noqa: S704 (likewise)

    environment = make_environment("pixmill.experiments.compare", finalize=show)
    environment.filters["linked"] = link
    environment.filters["item"] = lambda text: Markup(_BLOCK.sub(r"\1\\\2", show(text.strip())))  # noqa: S704
    environment.globals.update(layout="markdown.txt", most=most, letters=letters)
    return environment
