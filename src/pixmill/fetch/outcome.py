"""What comes of a fetch: bytes, or the reason why there are none. Both are values, never exceptions."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Fetched", "Refused", "Unchanged", "Validators", "legible"]

_TRANSIENT = re.compile(
    r"busy|connection|host_down|incomplete|robots_unreachable|timeout|http_(?:408|429|500|502|503|504)"
)

_LONGEST_DETAIL = 200


@dataclass(frozen=True)
class Validators:
    """Name the version of a picture that somebody has already (RFC 9110, section 8.8).

    Args:
        etag: The ``ETag`` that it came with.
        modified: The ``Last-Modified`` that it came with.
        url: Where it came from, if redirects led there: both say nothing of any other address. ``None`` for the address
            that is asked itself.
    """

    etag: str | None = None
    modified: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Fetched:
    """Hold what a URL delivered.

    Args:
        content: The body's bytes, within the limit.
        url: Where they came from in the end, after redirects; ``data:`` for inlined bytes.
        etag: The ``ETag`` of this version, where the server gave one.
        modified: Its ``Last-Modified``, likewise.
    """

    content: bytes
    url: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Unchanged:
    """Say that a URL still delivers the version that somebody has already."""


@dataclass(frozen=True)
class Refused:
    """Say why a URL delivered nothing.

    Args:
        reason: One word for tables: ``bad_url``, ``bad_data_uri``, ``private_address``, ``opted_out``, ``robots``,
            ``robots_unreachable``, ``crawl_delay``, ``x_robots_tag``, ``busy`` (the host asked for a long pause),
            ``host_down`` (it failed again and again), ``too_large``, ``timeout``, ``connection``, ``tls``,
            ``incomplete``, ``bad_response``, ``encoding``, ``bad_redirect``, ``too_many_redirects`` or
            ``http_<status>``.
        detail: A few words for people, which follow from the server's answer alone. They may quote it: characters that
            would not show, or could lead a terminal or a table astray, are escaped, and the words are cut.
        retry_after: Seconds that the server asked us to wait, where it did.
    """

    reason: str
    detail: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", legible(self.detail)[:_LONGEST_DETAIL])

    @property
    def transient(self) -> bool:
        """Whether the same fetch may well succeed later."""
        return _TRANSIENT.fullmatch(self.reason) is not None


def legible(text: str) -> str:
    """Return a text in which each character that would not show, or could lead a terminal astray, is escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
