"""What is found of a picture as a record of fixed size: the form in which it travels, rests in the cache, and is held.

A million pictures are a million small objects, or one array of records.
"""

from __future__ import annotations

import struct

import numpy as np

from pixmill.validate.greys import SIDE
from pixmill.validate.measures import Failure, Measures

__all__ = ["RECORD", "failure", "pack"]

RECORD = np.dtype(
    [
        ("failure", "S24"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("format", "S8"),
        ("mode", "S16"),
        ("pixels", "u1", 32),
        ("phash", "<u8"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("entropy", "<f4"),
        ("border", "<f4"),
        ("grey", "u1", (SIDE, SIDE)),
    ]
)
"""The fields of :class:`pixmill.validate.measures.Measures`; ``failure`` is empty, or why all others are zero."""

_LAYOUT = struct.Struct(f"<24sii8s16s32sQfffff{SIDE * SIDE}s")
"""The same for one record, which it writes much faster than NumPy."""

assert _LAYOUT.size == RECORD.itemsize


def pack(found: Measures | Failure) -> bytes:
    """Return a record.

    Args:
        found: What became of a picture.

    Raises:
        ValueError: A word is longer than its field, which would cut it off in silence.
    """
    if isinstance(found, Failure):
        return _word(found.reason, 24).ljust(RECORD.itemsize, b"\0")
    return _LAYOUT.pack(
        b"",
        found.width,
        found.height,
        _word(found.format, 8),
        _word(found.mode, 16),
        bytes.fromhex(found.pixels),
        found.phash,
        found.brightness,
        found.contrast,
        found.sharpness,
        found.entropy,
        found.border,
        found.grey,
    )


def _word(text: str, size: int) -> bytes:
    word = text.encode("ascii")
    if len(word) > size:
        raise ValueError(f"expected a word of at most {size} letters, received {text!r}")
    return word


def failure(record: bytes) -> str:
    """Return why a record has no measures; nothing where it has them."""
    return record[: RECORD["failure"].itemsize].rstrip(b"\0").decode("ascii")
