"""Render a stage's page within the common frame."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pixmill.core.files.writing import significant
from pixmill.core.params.reference import plain
from pixmill.core.words import count, join_names

if TYPE_CHECKING:
    import jinja2

Item = TypeVar("Item")

NONE = "\N{EN DASH}"
"""Stands for a value that is absent."""

_TAIL = 30


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
    and fill its blocks ``title``, ``lead`` and ``content``. A template of another package is named
    ``<package>/<file>``.

    Args:
        package: The package that holds the template, such as ``pixmill.validate``.
        template: The template's file name there, such as ``report.html``.
        script: The name of a script that this page needs besides that of all pages, likewise. Default: none.
        content: What the template names; a name that is not given is an error.
    """
    code = _load(package, "pixmill.pages/page.js") + (_load(package, script) if script else "")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return _pages(package).get_template(template).render(script=code, script_digest=digest, **content)


@functools.cache
def _pages(package: str) -> jinja2.Environment:
    return make_environment(package)


def make_environment(package: str, *, autoescape: bool = True, **options: Any) -> jinja2.Environment:
    """Return an environment whose filters show numbers, names and times.

    Whoever draws often keeps it, with the templates that it compiled: that takes longer than to draw.

    Args:
        package: The package that holds the templates.
        autoescape: Whether values are escaped as HTML.
        options: Further ones of the environment.
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
        "percent": lambda value, digits=1: f"{100 * value:.{digits}f} %",
        "plain": lambda value: NONE if value is None else plain(significant(value)),
        "recorded_value": lambda value: f"{value:,}" if isinstance(value, int) else figure(value),
        "shorten": shorten,
        "signed": with_sign,
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def _load(package: str, name: str) -> str:
    """Return the content of a template or script."""
    owner, _, file = name.rpartition("/")
    owner = "pixmill.pages" if file in ("base.html", "macros.html", "text.txt") else owner or package
    return files(owner).joinpath(file).read_text(encoding="utf-8")


def iso_time(text: str) -> str:
    """Return an ISO time as a date and a time of this machine; a dash for anything else."""
    try:
        return local_time(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return NONE


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash."""
    return NONE if value is None else f"{value:,.{digits}f}"


def with_sign(value: float, digits: int = 3) -> str:
    """Return a difference with its sign; one that rounds to zero has none.

    >>> with_sign(0.0123), with_sign(12, 0), with_sign(-0.0001)
    ('+0.012', '+12', '0.000')
    """
    shown = f"{value:+.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"
    return shown.replace("-", "\N{MINUS SIGN}")


def local_time(seconds: float) -> str:
    """Return a time since 1970 as a date and a time of this machine; a dash for 0."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if seconds else NONE


def shorten(text: str, limit: int = 90) -> str:
    """Return a long name or URL without its middle: both ends tell where it is from.

    Args:
        text: The name.
        limit: The most letters that are shown.
    """
    tail = min(_TAIL, limit // 2)
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[-tail:]}"
