"""The vocabulary of reasons: why an image was dropped, in one word, and what that word means."""

from __future__ import annotations

__all__ = ["REASONS", "UNREADABLE", "meaning", "reason", "word"]

UNREADABLE = {
    "missing_file": "its file is not where the manifest says",
    "not_a_file": "something else than a file lies there, such as a folder or a pipe",
    "changed_bytes": "its bytes are no longer those that its id was made of",
    "empty": "the file holds no byte",
    "html": "a web page in an image's place",
    "svg": "a drawing (SVG), which is never rendered",
    "archive": "an archive in an image's place",
    "pdf": "a document (PDF) in an image's place",
    "unknown": "the content is of no known format",
    "no_decoder": "no decoder for its format is installed here",
    "too_many_bytes": "a larger file than any that is read",
    "too_many_pixels": "larger than validate.max_pixels, so it was not decoded",
    "too_complex": "decoding it is more work than an image is worth",
    "truncated": "the file ends before the image does",
    "broken": "the decoder gave up on it",
    "timeout": "decoding took longer than validate.timeout, twice",
    "memory": "decoding needed more memory than validate.memory",
    "crashed": "the decoder crashed on it",
}
"""What no decision can mend: there are no pixels to train on."""

REASONS = UNREADABLE | {
    "review": "a person dropped it in review.csv",
    "too_small": "a side is shorter than validate.image_size allows",
    "format_not_allowed": "its format is not in validate.formats.allowed",
    "label_undeclared": "its label is not among the classes",
    "placeholder": "one image in the place of many: repeated at many addresses, or under many labels",
    "label_conflict": "the same image came under another label too",
    "leak": "the same pixels lie in a part that is held out: of a given split, the training side loses them",
    "repeated": "one of very many near-duplicates of another kept image",
    "duplicate_pixels": "another kept image has the same pixels and label",
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
    """Say in a few words what a reason means."""
    return REASONS[word(text)]
