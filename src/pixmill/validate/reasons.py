"""The vocabulary of reasons: why an image was dropped, in one word, and what that word means."""

from __future__ import annotations

from pixmill.images import OTHER_FORMATS

__all__ = ["REASONS", "UNREADABLE", "meaning", "reason", "word"]

UNREADABLE = {
    "missing_file": "the file is missing",
    "not_a_file": "not a regular file (a folder or a pipe, for example)",
    "changed_bytes": "the file has changed since it was scraped: its SHA-256 is not its id",
    "empty": "the file is empty",
    "html": "a web page instead of an image",
    "svg": "an SVG drawing, which is never rendered",
    "archive": "an archive instead of an image",
    "pdf": "a PDF document instead of an image",
    **{name: f"{title}, a format that is not read; convert it to PNG" for name, title in OTHER_FORMATS.items()},
    "unknown": "not a known image format",
    "no_decoder": "no decoder for this format is installed",
    "too_many_bytes": "the file is too large to be read",
    "too_many_pixels": "larger than validate.max_pixels, so not decoded",
    "too_complex": "too expensive to decode",
    "truncated": "the file is truncated",
    "broken": "the image data is corrupt",
    "timeout": "decoding took longer than validate.timeout, twice",
    "memory": "decoding took more memory than validate.memory",
    "crashed": "the decoder crashed",
}
"""What no decision can fix: there are no pixels to train on."""

REASONS = UNREADABLE | {
    "review": "dropped by a decision in review.csv",
    "too_small": "a side is shorter than validate.image_size allows",
    "format_not_allowed": "its format is not in validate.formats.allowed",
    "label_undeclared": "its label is not one of the classes",
    "placeholder": "a placeholder: the same image at many URLs or under many labels",
    "label_conflict": "the same image was also found under another label",
    "leak": "the same pixels are in a higher-ranking split of the predefined split",
    "repeated": "one of very many near-duplicates of a kept image",
    "duplicate_pixels": "a kept image has the same pixels and the same label",
}
"""Every word that validate writes, with its meaning.

In the manifest a reason is the word alone, or ``word:<id>`` where another image is involved: for
``duplicate_pixels``, ``repeated`` and ``leak`` the one that was kept, for ``label_conflict`` one with the other label.
"""


def reason(name: str, other: str | None = None) -> str:
    """Return a reason as the manifest holds it.

    Args:
        name: A word of :data:`REASONS`.
        other: The id of the other image that is involved.

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
    """Return what a reason means, in a few words."""
    return REASONS[word(text)]
