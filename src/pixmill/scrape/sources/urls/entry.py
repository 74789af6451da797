"""One address, and what its list says of it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

__all__ = ["Entry", "hexadecimal_md5"]


class Entry(NamedTuple):
    """Hold a row of a list; the fields are those of a :class:`~pixmill.scrape.candidate.Candidate`."""

    image_url: str | None
    thumbnail_url: str | None = None
    page_url: str | None = None
    title: str | None = None
    licence: str | None = None
    author: str | None = None
    bytes: int | None = None
    md5: str | None = None
    given_split: str | None = None


def hexadecimal_md5(text: str) -> str | None:
    """Return an MD5 in small hexadecimal digits, or ``None`` where the text is none.

    Args:
        text: 32 hexadecimal digits, or the 16 bytes in base64, as Open Images has them.
    """
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return text.lower()
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 16 else None
