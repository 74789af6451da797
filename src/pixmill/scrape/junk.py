"""Pictures that say "there is no picture", known by their bytes."""

from __future__ import annotations

import hashlib

__all__ = ["LARGEST", "is_junk"]

LARGEST = 16_384
"""Bytes: such pictures are small, and larger ones need not be looked at."""

_MD5 = frozenset(
    {
        "880a7a58e05d3e83797f27573bb6d35c",  # Flickr: "this photo is no longer available", 2051 bytes
        "596246739a83bb45e30e13437e0810d9",  # a warning sign
        "969e595182a947c7fdaaef4a34401760",  # a forbidden sign
        "af5db09e39ca35d8930b4e59962e09e5",  # the logo of a parked domain
    }
)
"""What image lists of the last ten years are found to be full of, once their pictures are gone."""


def is_junk(content: bytes) -> bool:
    """Tell whether some bytes are a placeholder that stands for a picture which is gone."""
    return len(content) <= LARGEST and hashlib.md5(content, usedforsecurity=False).hexdigest() in _MD5
