"""Render a stage's page within the common frame."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Generic, TypeVar

from pixmill.core.words import count

Item = TypeVar("Item")

_TAIL = 30

_WIDE = re.compile(r'class="(?:gallery|few|spreads|meetings|gate|parallel|runs|class)[ "]|<div class="sheet"')
"""What needs the whole width of a page: galleries, and tables with sentences in them."""

_OPENS, _CLOSES = re.compile("<(?:div|section|details)[ >]"), re.compile("</(?:div|section|details)>")
"""Elements in which headings lie."""

_MOST_COLUMNS, _MOST_CHARTS = 7, 2
"""Of tables and charts that half of a wide page can show."""


@dataclass(frozen=True)
class Excerpt(Generic[Item]):
    """The first of many things, which a page shows.

    Args:
        shown: The first ones.
        total: How many there are.
    """

    shown: Sequence[Item]
    total: int

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.shown)


def render_page(package: str, template: str, *, script: str | None = None, **content: Any) -> str:
    """Return a self-contained HTML page.

    Every value is escaped: names, URLs and titles come from strangers. Templates extend ``base.html`` of this package
    and fill its blocks ``title``, ``lead`` and ``content``; their filters ``count`` (with its noun where one is given)
    and ``percent`` show numbers, and ``shorten`` long names (:func:`shorten`). A template of another package is named
    ``<package>/<file>``.

    Args:
        package: The package that holds the template, such as ``pixmill.validate``.
        template: The template's file name there, such as ``report.html``.
        script: The name of a script that this page needs besides that of all pages, likewise. Default: none.
        content: What the template names; a name that is not given is an error.
    """
    import jinja2

    def load(name: str) -> str:
        owner, _, name = name.rpartition("/")
        owner = "pixmill.pages.base" if name in ("base.html", "macros.html") else owner or package
        return files(owner).joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    code = load("pixmill.pages.base/page.js") + (load(script) if script else "")
    environment.globals["script"] = code
    environment.globals["script_digest"] = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["shorten"] = shorten
    environment.filters["in_columns"] = lambda content: in_columns(str(content))  # which is escaped already
    environment.filters["count"] = lambda value, *noun: count(value, *noun) if noun else f"{value:,}"
    return environment.get_template(template).render(**content)


def in_columns(content: str, level: int = 2) -> str:
    """Return the content of a page with neighbouring parts that need little width put together.

    On a wide screen these stand in two columns. A part begins with a heading that lies in no other element. Of a part
    that needs the whole width, those below headings of the third level are looked at likewise.

    Args:
        content: Markup.
        level: Of the headings.
    """
    start, *parts = _split(content, level)
    if level == 3:
        heading, end, text = start.partition("</h2>")
        start, parts = heading + end, [text, *parts] if text.strip() else parts
    made, narrow = [start], list[str]()
    for part in (*parts, None):
        if part is not None and not _is_wide(part):
            narrow.append(part)
            continue
        if len(narrow) > 1:
            made += ['<div class="columns">\n', *(f"<div>\n{each}</div>\n" for each in narrow), "</div>\n"]
        else:
            made += narrow
        narrow = []
        if part is not None:
            made.append(in_columns(part, level=3) if level == 2 else part)
    return "".join(made)


def _split(content: str, level: int) -> list[str]:
    """Return what comes before the first heading of a level, and each heading with what follows."""
    parts, depth = [""], 1  # The first part is what comes before, even if that is nothing.
    for piece in re.split(rf"(?=<h{level}[ >])", content):
        if depth:
            parts[-1] += piece
        else:
            parts.append(piece)
        depth = len(_OPENS.findall(parts[-1])) - len(_CLOSES.findall(parts[-1]))
    return parts


def _is_wide(part: str) -> bool:
    heads = re.findall("<thead>.*?</thead>", part, re.DOTALL)
    columns = max((row.count("<th ") for head in heads for row in head.split("</tr>")), default=0)
    return bool(_WIDE.search(part)) or columns > _MOST_COLUMNS or part.count("<figcaption>") > _MOST_CHARTS


def shorten(text: str, limit: int = 90) -> str:
    """Return a long name or URL without its middle: both ends tell where it is from.

    Args:
        text: The name.
        limit: The most letters that are shown.
    """
    tail = min(_TAIL, limit // 2)
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[-tail:]}"
