"""A picture's part, from a salted hash of its own id."""

from __future__ import annotations

import hashlib

from pixmill.parts import PartName

__all__ = ["part_of", "place"]


def place(identity: str, salt: str) -> float:
    """Return where a picture stands between 0 and 1, evenly spread and the same for ever.

    Args:
        identity: The picture's id.
        salt: ``split.salt``; another salt is another split.
    """
    digest = hashlib.sha256(f"{salt}{identity}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def part_of(identity: str, *, salt: str, val: float, test: float) -> PartName:
    """Return the part that a picture belongs to.

    Nothing but its id, the salt and the shares decide: no picture changes sides when others come or go. The test part
    lies first, so that another share of ``val`` moves nothing in or out of it.

    Args:
        identity: The picture's id.
        salt: ``split.salt``.
        val: Share of the validation part.
        test: Share of the test part.
    """
    at = place(identity, salt)
    if at < test:
        return "test"
    return "val" if at < test + val else "train"
