"""The vocabulary of reasons: why a picture was dropped, in one word, and what that word means."""

from __future__ import annotations

__all__ = ["REASONS", "UNREADABLE", "meaning", "reason", "word"]

UNREADABLE = {
    "missing_file": "its file is not where the manifest says",
    "changed_bytes": "its bytes are no longer those that its id was made of",
    "empty": "the file holds no byte",
    "html": "a web page in a picture's place",
    "svg": "a drawing (SVG), which is never rendered",
    "archive": "an archive in a picture's place",
    "pdf": "a document (PDF) in a picture's place",
    "unknown": "the content is of no known format",
    "too_many_pixels": "larger than validate.max_pixels, so it was not decoded",
    "truncated": "the file ends before the picture does",
    "broken": "the decoder gave up on it",
}
"""What no decision can mend: there are no pixels to train on."""

REASONS = UNREADABLE | {
    "review": "a person dropped it in review.csv",
    "too_small": "a side is shorter than validate.image_size allows",
    "format_not_allowed": "its format is not in validate.formats.allowed",
    "label_undeclared": "its label is not among the classes",
    "label_conflict": "the same picture came under another label too",
    "duplicate_pixels": "another kept picture has the same pixels and label",
}
"""Every word that validate writes, with its meaning.

In the manifest a reason is the word alone, or ``word:<id>`` where another picture is involved: for
``duplicate_pixels`` the one that was kept, for ``label_conflict`` one with the other label.
"""


def reason(name: str, other: str | None = None) -> str:
    """Return a reason as the manifest holds it.

    Args:
        name: A word of :data:`REASONS`.
        other: The id of the other picture that is involved.

    Raises:
        ValueError: The word is not in the vocabulary.
    """
    if name not in REASONS:
        raise ValueError(f"expected a reason of {', '.join(REASONS)}, received {name!r}")
    return name if other is None else f"{name}:{other}"


def word(text: str) -> str:
    """Return a reason's word, without the id behind it."""
    return text.partition(":")[0]


def meaning(text: str) -> str:
    """Say in a few words what a reason means."""
    return REASONS[word(text)]
