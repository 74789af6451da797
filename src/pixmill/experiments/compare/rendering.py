"""A comparison as terminal text, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import functools
import html
import re
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

MAX_BYTES = 64_000
"""Size of the Markdown; GitHub rejects a comment of more than 65,536 characters."""

_MAX_ROWS = 6
"""Rows per table or list in terminal text."""

_SIZES = ((20, 300), (10, 200), (3, 100), (1, 50))
"""Rows per table and characters per line in Markdown, tried in order until the text is short enough."""

_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
"""Markdown markup within a line."""

_BLOCK = re.compile(r"^(\d*)([#+=.)-])")
"""Start of a Markdown heading or list."""

_LINKING = re.compile(
    r"""[@#!%&~$^](?=[\w"'.?&-])|:(?=//|[\w+-]+:)|\[(?=\w+:)|\bGH-(?=\d)|\bwww(?=\.)""", re.IGNORECASE
)
"""Start of a mention, reference, link or emoji on GitHub or GitLab, which a backslash does not escape."""

_URL = re.compile(r"https?://(?!127\.0\.0\.1\b|localhost\b)[^\s<>\\]{1,500}")
"""A URL that is not local to this machine."""


def comparison_text(comparison: Comparison) -> str:
    """Return plain text: verdict, gate, and all differences, with at most 100 characters per line."""
    return render_text("pixmill.experiments.compare", "comparison.txt", most=_MAX_ROWS, **content(comparison))


def comparison_markdown(comparison: Comparison) -> str:
    """Return Markdown of at most 64,000 bytes, shortened as far as necessary.

    Names of classes, files, params and commits are escaped: they cannot add markup, mentions or links.
    """
    made = content(comparison)
    templates = (_environment(*size).get_template("comparison.txt") for size in _SIZES)
    texts = (re.sub(r"\n{3,}", "\n\n", template.render(made)).strip() + "\n" for template in templates)
    return next(text for text in texts if len(text.encode("utf-8")) <= MAX_BYTES)


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the variables and functions of the templates."""
    made = view(comparison)
    sides = [side["recorded"] for side in (made["base"], made["head"]) if side and side["recorded"]]
    recorded = [name for name in RECORDED if any(side[name] is not None for side in sides)]
    return {**made, "recorded": recorded, "better_or_worse": better_or_worse, "metric_name": metric_name}


def metric_name(name: str) -> str:
    """Return the display name of a metric, within a sentence."""
    return METRIC_NAMES.get(name, re.sub(r"^top_(\d+)_", r"top-\1 ", name))


def escape(text: str, letters: int) -> str:
    """Return Markdown that shows a text literally: on one line, without markup, mentions and links.

    Args:
        text: Text, such as the name of a class.
        letters: Number of characters to keep.
    """
    # A zero-width space separates the sign from the name it would refer to.
    harmless = _LINKING.sub("\\g<0>\u200b", printable(shorten(text, letters)))
    return _SPECIAL.sub(r"\\\g<0>", html.escape(harmless, quote=False))


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
