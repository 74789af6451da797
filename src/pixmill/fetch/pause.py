"""How long to wait before a fetch that failed for a passing reason is tried again."""

from __future__ import annotations

import email.utils
import time

__all__ = ["LONGEST", "backoff", "pause", "retry_after"]

LONGEST = 30.0
"""Seconds: a server that asks for a longer pause is left alone until that is over."""

_FIRST = 0.5


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row, from 1: each doubles them, up to ``LONGEST``."""
    return float(min(_FIRST * 2.0 ** min(failures - 1, 16), LONGEST))


def pause(failures: int, wanted: float | None) -> float | None:
    """Return the seconds to wait, or ``None`` where trying again is pointless.

    The pause doubles with each failure, and is never shorter than the server asked for.

    Args:
        failures: How often the fetch has failed, from 1.
        wanted: Seconds that the server asked for, if it did.
    """
    seconds = max(backoff(failures), wanted or 0.0)
    return seconds if seconds <= LONGEST else None


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3).

    Args:
        header: Its value, seconds or a date; what is neither counts as absent.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
