"""A comparison as Markdown for a comment on a pull request."""

import html
import re
from collections.abc import Iterator

from pixmill.compare.comparison import Comparison
from pixmill.compare.description import ComparisonSection, ComparisonTable, RunLink, sections
from pixmill.core.words import printable
from pixmill.pages.base import shorten

LIMIT = 64_000
"""Bytes; GitHub refuses a comment of more than 65,536 characters."""

_SIZES = ((20, 300), (10, 200), (3, 100), (1, 50))
"""Rows of a kind, and letters of a line or cell, tried in this order until the text is short enough."""

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


def comparison_markdown(comparison: Comparison) -> str:
    """Return the text: verdict first, less detail the more there is, never more than 64,000 bytes of UTF-8.

    Whatever comes from data (names of classes, files, params, commits) is escaped: it can neither add markup nor
    mention a person nor lead anywhere.

    Args:
        comparison: The comparison.
    """
    files = "Images and curves: `reports/compare.html`."
    texts = (f"{_text(comparison, most, letters)}\n\n{files}\n" for most, letters in _SIZES)
    return next(text for text in texts if len(text.encode("utf-8")) <= LIMIT)


def _text(comparison: Comparison, most: int, letters: int) -> str:
    base = "nothing" if comparison.base is None else escape(comparison.base.title, letters)
    blocks = [
        f"**{escape(comparison.sentence, 2 * letters)}**",
        f"Base: {base}. Head: {escape(comparison.head.title, letters)}.",
    ]
    for section in sections(comparison, most=most):
        blocks += _section(section, letters)
    return "\n\n".join(blocks)


def _section(section: ComparisonSection, letters: int) -> Iterator[str]:
    title = escape(section.title, letters)
    yield f"<details><summary>{title}</summary>" if section.detail else f"#### {title}"
    for part in section.parts:
        if isinstance(part, ComparisonTable):
            yield _table(part, letters)
            if part.more:
                yield part.more
        elif part:
            yield "\n".join(
                f"- {_link(line, letters) if isinstance(line, RunLink) else _line(line, letters)}" for line in part
            )
    if section.detail:
        yield "</details>"


def _table(table: ComparisonTable, letters: int) -> str:
    rule = tuple("---:" if numeric else "---" for numeric in table.numeric)
    rows = [tuple(escape(cell, letters // 2) for cell in row) for row in (table.headings, *table.rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (rows[0], rule, *rows[1:]))


def _link(link: RunLink, letters: int) -> str:
    name = _line(link.name, letters)
    return f"[{name}](<{link.url}>)" if _URL.fullmatch(link.url) else name


def _line(text: str, letters: int) -> str:
    return _BLOCK.sub(r"\1\\\2", escape(text.strip(), letters))


def escape(text: str, letters: int) -> str:
    """Return text that shows as it is: on one line, without markup, mentions and links.

    Args:
        text: Such as the name of a class.
        letters: How many are kept.
    """
    # A space without width separates the sign from what it would refer to.
    harmless = _LINKING.sub("\\g<0>\u200b", printable(shorten(text, letters)))
    return _SPECIAL.sub(r"\\\g<0>", html.escape(harmless, quote=False))
