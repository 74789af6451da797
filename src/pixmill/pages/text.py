"""Render templates as plain text for a terminal, with aligned tables and wrapped lines."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pixmill.core.words import printable
from pixmill.pages.page import cached_environment, make_environment, shorten

if TYPE_CHECKING:
    import jinja2


def render_text(package: str, template: str, *, width: int = 100, **content: Any) -> str:
    """Return the text of a template that uses the macros of ``text.txt``.

    Control characters are escaped, because a terminal would interpret them.

    Args:
        package: Package that holds the template.
        template: File name of the template.
        width: Columns of the terminal.
        content: Variables of the template.
    """
    drawn = _terminal(package, width).get_template(template).render(**content)
    lines = (line.rstrip(" \n") for line in drawn.split("\n"))
    return "\n".join(_wrap(line.replace("\f", ""), width) for line in lines if line)


def render_sentence(package: str, template: str, **content: Any) -> str:
    """Return the text of a template with a single line, without escaping.

    Args:
        package: Package that holds the template.
        template: File name of the template.
        content: Variables of the template.
    """
    return cached_environment(package, autoescape=False).get_template(template).render(**content).strip()


@functools.cache
def _terminal(package: str, width: int) -> jinja2.Environment:
    from markupsafe import Markup

    def show(value: Any) -> Any:
        return value if hasattr(value, "__html__") else Markup(printable(str(value)))  # noqa: S704 (no HTML)

    environment = make_environment(package, finalize=show)
    environment.globals.update(
        layout="text.txt",
        gap=Markup("\f"),
        tab=Markup("\t"),
        align=lambda headings, rows: Markup(align(headings, rows, width)),  # noqa: S704
    )
    return environment


def align(headings: Sequence[str], lines: str, width: int) -> str:
    """Return a table as aligned text, the widest columns shortened until it fits.

    Args:
        headings: Column headings; those that begin with ``>`` are right-aligned.
        lines: Rows whose cells end with a tab, and lines without tabs, which are copied.
        width: Columns of the terminal.
    """
    body = [line.split("\t")[:-1] or line for line in lines.split("\n") if line]
    table = [[heading.lstrip(">") for heading in headings], *body]
    widths = [max(map(len, column)) for column in zip(*(row for row in table if isinstance(row, list)), strict=True)]
    while sum(widths) + 2 * len(widths) > width:
        widths[widths.index(max(widths))] -= 1
    return "\n".join(row if isinstance(row, str) else _draw(row, widths, headings) for row in table)


def _draw(row: Sequence[str], widths: Sequence[int], headings: Sequence[str]) -> str:
    shown = [shorten(text, width) for text, width in zip(row, widths, strict=True)]
    cells = zip(shown, widths, headings, strict=True)
    return "".join(f"  {text:{'>' if heading[:1] == '>' else '<'}{width}}" for text, width, heading in cells).rstrip()


def _wrap(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
