"""Render pages within the frame ``base.html``, and templates as plain text for a terminal."""

from __future__ import annotations

import base64
import functools
import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pixmill.core.files.writing import significant
from pixmill.core.install.pyproject import read_project
from pixmill.core.params.reference import plain
from pixmill.core.words import count, join_names, percent, printable, shorten

if TYPE_CHECKING:
    import jinja2


_SHARED = {
    **{name: name for name in ("base.html", "macros.html", "text.txt")},
    "head.css": "static/head.css",
}
"""Templates of this package by the names that templates of all packages use."""

Item = TypeVar("Item")

NONE = "\N{EN DASH}"
"""Placeholder for missing values."""


@dataclass(frozen=True)
class Excerpt(Generic[Item]):
    """The first items of a long list.

    Args:
        shown: Items to show.
        total: Number of all items.
    """

    shown: Sequence[Item]
    total: int

    @property
    def more(self) -> int:
        """Number of items that are not shown."""
        return self.total - len(self.shown)


def render_page(
    package: str,
    template: str,
    *,
    root: Path | None = None,
    script: str | None = None,
    **content: Any,
) -> str:
    """Return a self-contained HTML page.

    All values are escaped, because names, URLs and titles are untrusted. Templates extend
    ``base.html`` of this package and fill its blocks ``title``, ``lead`` and ``content``. Templates
    of other packages are named ``<package>/<file>``.

    Args:
        package: Package that holds the template, such as ``pixmill.validate``.
        template: File name of the template, such as ``report.html``.
        root: Folder of the project, for a page in its folder ``reports``: the head shows its name,
            and leads to the project and to the pages of the stages. Default: no project.
        script: File name of an additional script in the package; default: none.
        content: Variables of the template. A missing variable is an error.

    Raises:
        ParamsError: ``pyproject.toml`` is not valid.
    """
    # The folder's name would differ between clones, and the page with it.
    project = "" if root is None else read_project(root).name or "Pixmill"
    code = _load(package, "pixmill.pages/page.js") + (_load(package, script) if script else "")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    content |= {"project": project, "script": code, "script_digest": digest}
    return cached_environment(package).get_template(template).render(**content)


def page_head(project: str, here: str, *, home: str = "../") -> str:
    """Return the HTML of the head of all pages, for pages that are no reports.

    ``static/head.css`` is its style.

    Args:
        project: The project's name.
        here: What the page is, such as ``review``.
        home: Relative address of the page of ``pixmill open``; default: one level up.
    """
    macros: Any = cached_environment("pixmill.pages").get_template("macros.html").module
    return str(macros.head(project, here, home, f"{home}reports/")).strip()


def make_environment(
    package: str, *, autoescape: bool = True, **options: Any
) -> jinja2.Environment:
    """Return a Jinja environment with filters for numbers, names and times.

    Compiling a template takes longer than rendering it, so keep the environment to render
    repeatedly.

    Args:
        package: Package that holds the templates.
        autoescape: Escape values as HTML.
        options: Other options of ``jinja2.Environment``.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _load(package, name)),
        autoescape=autoescape,  # noqa: S701 (on for pages)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= {
        "count": lambda value, *noun: count(value, *noun) if noun else f"{value:,}",
        "figure": figure,
        "iso_time": iso_time,
        "join_names": join_names,
        "local_time": local_time,
        "p_value": lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}",
        "percent": percent,
        "plain": lambda value: NONE if value is None else plain(significant(value)),
        "recorded_value": lambda value: f"{value:,}" if isinstance(value, int) else figure(value),
        "shorten": shorten,
        "signed": with_sign,
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


cached_environment = functools.cache(make_environment)


def _load(package: str, name: str) -> str:
    """Return the text of a template or script."""
    owner, _, file = name.rpartition("/")
    owner = "pixmill.pages" if file in _SHARED else owner or package
    file = _SHARED.get(file, file)
    return files(owner).joinpath(file).read_text(encoding="utf-8")


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
    return (
        cached_environment(package, autoescape=False)
        .get_template(template)
        .render(**content)
        .strip()
    )


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
    widths = [
        max(map(len, column))
        for column in zip(*(row for row in table if isinstance(row, list)), strict=True)
    ]
    while sum(widths) + 2 * len(widths) > width:
        widths[widths.index(max(widths))] -= 1
    return "\n".join(row if isinstance(row, str) else _draw(row, widths, headings) for row in table)


def _draw(row: Sequence[str], widths: Sequence[int], headings: Sequence[str]) -> str:
    shown = [shorten(text, width) for text, width in zip(row, widths, strict=True)]
    cells = zip(shown, widths, headings, strict=True)
    return "".join(
        f"  {text:{'>' if heading[:1] == '>' else '<'}{width}}" for text, width, heading in cells
    ).rstrip()


def _wrap(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def iso_time(text: str) -> str:
    """Return an ISO timestamp as local date and time; a dash if it is malformed."""
    try:
        return local_time(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return NONE


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number with fixed decimals; a dash for ``None``."""
    return NONE if value is None else f"{value:,.{digits}f}"


def with_sign(value: float, digits: int = 3) -> str:
    """Return a difference with its sign; no sign if it rounds to zero.

    >>> with_sign(0.0123), with_sign(12, 0), with_sign(-0.0001)
    ('+0.012', '+12', '0.000')
    """
    shown = f"{value:+.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"
    return shown.replace("-", "\N{MINUS SIGN}")


def local_time(seconds: float) -> str:
    """Return a Unix timestamp as local date and time; a dash for 0."""
    return (
        datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        if seconds
        else NONE
    )
