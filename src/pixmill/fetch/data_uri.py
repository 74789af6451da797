"""Decode pictures that a page carries within itself, as ``data:`` URIs (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from pixmill.fetch.outcome import Fetched, Refused

__all__ = ["decode_data_uri"]

_BLANK = re.compile(rb"\s+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def decode_data_uri(uri: str, *, max_bytes: int) -> Fetched | Refused:
    """Return the bytes of a ``data:`` URI.

    Pages are careless: line breaks, escaped signs, missing padding and the URL-safe alphabet are all read. The media
    type is not, since content alone tells what some bytes are.

    Args:
        uri: The whole URI.
        max_bytes: The most bytes that are decoded.
    """
    head, comma, body = uri.partition(",")
    if head[:5].lower() != "data:" or not comma:
        return Refused("bad_data_uri", "expected data:…,…")
    is_base64 = head.rstrip().lower().endswith(";base64")
    # One escaped byte takes up to three characters, four base64 characters hold three bytes.
    if len(body) > 4 * max_bytes + 64:
        return Refused("too_large", f"more than {max_bytes} bytes")
    content = unquote_to_bytes(body)
    if is_base64:
        digits = _BLANK.sub(b"", content).translate(_URL_SAFE).rstrip(b"=")
        try:
            content = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
        except binascii.Error as error:
            return Refused("bad_data_uri", f"not base64: {error}")
    if len(content) > max_bytes:
        return Refused("too_large", f"more than {max_bytes} bytes")
    return Fetched(content, "data:")
