"""A comparison as plain text for a terminal."""

import textwrap

from pixmill.compare.comparison import Comparison
from pixmill.compare.description import ComparisonTable, RunLink, sections
from pixmill.core.words import printable

_WIDTH = 100
"""Columns of a line."""

_MOST = 6
"""Rows or lines of a kind."""


def comparison_text(comparison: Comparison) -> str:
    """Return the text: verdict first, then the gate and all that differs, in lines of at most 100 columns.

    Names of files, classes and commits have no control characters, which could lead a terminal astray.
    """
    base = "nothing" if comparison.base is None else comparison.base.title
    lines = [*wrap(comparison.sentence, ""), *wrap(f"Base: {base}. Head: {comparison.head.title}.", "")]
    for section in sections(comparison, most=_MOST):
        lines += ["", *wrap(section.title, "")]
        for part in section.parts:
            if isinstance(part, ComparisonTable):
                lines += draw_table(part)
            else:
                for line in part:
                    lines += wrap(f"{line.name}, {line.url}" if isinstance(line, RunLink) else line, "  ")
                for command in dict.fromkeys(line.command for line in part if isinstance(line, RunLink)):
                    lines += [f"  To open them: {command}"] if command else []
    return "\n".join(lines)


def wrap(text: str, indent: str) -> list[str]:
    """Return a text as lines of at most 100 columns, without control characters."""
    return textwrap.wrap(
        printable(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def draw_table(table: ComparisonTable, width: int = _WIDTH) -> list[str]:
    """Return the lines of a table; its widest columns are cut until it fits.

    Args:
        table: The table.
        width: Columns of the terminal.
    """
    rows = [[printable(cell) for cell in row] for row in (table.headings, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + 2 * len(widths) > width:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in rows:
        cells = []
        for cell, wide, numeric in zip(row, widths, table.numeric, strict=True):
            shown = cell if len(cell) <= wide else f"{cell[: wide - 1]}…"
            cells.append(f"{shown:>{wide}}" if numeric else f"{shown:{wide}}")
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return [*lines, f"  {table.more}"] if table.more else lines
