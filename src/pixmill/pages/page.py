"""Render report pages within the common frame ``base.html``."""

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
"""Placeholder for missing values."""

MAX_TAIL = 30
"""Number of characters that :func:`shorten` keeps at the end."""


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


def render_page(package: str, template: str, *, script: str | None = None, **content: Any) -> str:
    """Return a self-contained HTML page.

    All values are escaped, because names, URLs and titles are untrusted. Templates extend ``base.html`` of this package
    and fill its blocks ``title``, ``lead`` and ``content``. Templates of other packages are named ``<package>/<file>``.

    Args:
        package: Package that holds the template, such as ``pixmill.validate``.
        template: File name of the template, such as ``report.html``.
        script: File name of an additional script in the package; default: none.
        content: Variables of the template. A missing variable is an error.
    """
    code = _load(package, "pixmill.pages/page.js") + (_load(package, script) if script else "")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return cached_environment(package).get_template(template).render(script=code, script_digest=digest, **content)


def make_environment(package: str, *, autoescape: bool = True, **options: Any) -> jinja2.Environment:
    """Return a Jinja environment with filters for numbers, names and times.

    Compiling a template takes longer than rendering it, so keep the environment to render repeatedly.

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
        "percent": lambda value, digits=1: f"{100 * value:.{digits}f} %",
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
    owner = "pixmill.pages" if file in ("base.html", "macros.html", "text.txt") else owner or package
    return files(owner).joinpath(file).read_text(encoding="utf-8")


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
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if seconds else NONE


def shorten(text: str, limit: int = 90) -> str:
    """Return a name or URL, its middle replaced by an ellipsis if it is too long.

    Args:
        text: The name.
        limit: Maximum number of characters.
    """
    tail = min(MAX_TAIL, limit // 2)
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[-tail:]}"
