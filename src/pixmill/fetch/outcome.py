"""What comes of a fetch: bytes, or the reason why there are none. Both are values, never exceptions."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Fetched", "Refused"]

_TRANSIENT = re.compile(r"connection|timeout|incomplete|robots_unreachable|http_(?:408|429|500|502|503|504)")


@dataclass(frozen=True)
class Fetched:
    """Hold what a URL delivered.

    Args:
        content: The body's bytes, within the limit.
        url: Where they came from in the end, after redirects; ``data:`` for inlined bytes.
    """

    content: bytes
    url: str


@dataclass(frozen=True)
class Refused:
    """Say why a URL delivered nothing.

    Args:
        reason: One word for tables: ``bad_url``, ``bad_data_uri``, ``private_address``, ``robots``,
            ``robots_unreachable``, ``x_robots_tag``, ``too_large``, ``timeout``, ``connection``, ``tls``,
            ``incomplete``, ``bad_response``, ``encoding``, ``bad_redirect``, ``too_many_redirects`` or
            ``http_<status>``.
        detail: A few words for people, which follow from the server's answer alone.
        retry_after: Seconds that the server asked us to wait, where it did.
    """

    reason: str
    detail: str = ""
    retry_after: float | None = None

    @property
    def transient(self) -> bool:
        """Whether the same fetch may well succeed later."""
        return _TRANSIENT.fullmatch(self.reason) is not None
