"""Words for the reasons why there is no prediction."""

from __future__ import annotations

from pixmill.validate.reasons import UNREADABLE

__all__ = ["meaning"]

_MEANINGS = {
    **UNREADABLE,
    "symlink": "a symbolic link that leads out of the folder",
    "unreadable": "the file cannot be read",
    "too_many_pixels": "too many pixels to be decoded",
    "timeout": "decoding took too long, twice",
    "memory": "decoding took too much memory",
}


def meaning(reason: str) -> str:
    """Return what a reason means, as a sentence without a full stop; an unknown one without its underscores."""
    words = _MEANINGS.get(reason, reason.replace("_", " "))
    return words[:1].upper() + words[1:]
