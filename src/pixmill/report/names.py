"""Long names and URLs, as pages show them."""

from __future__ import annotations

__all__ = ["shorten"]

_TAIL = 30


def shorten(text: str, limit: int = 90) -> str:
    """Return a long name or URL without its middle: both ends tell where it is from.

    Args:
        text: The name.
        limit: The most letters that are shown, above 31.
    """
    return text if len(text) <= limit else f"{text[: limit - _TAIL - 1]}…{text[-_TAIL:]}"
