"""The vocabulary of reasons: why an image was dropped, in one word, and what that word means."""

from pixmill.images import read_errors as images

UNREADABLE = images.UNREADABLE | {
    "changed_bytes": "the file has changed since it was scraped: its SHA-256 is not its id",
    "too_many_pixels": "larger than validate.max_pixels, so not decoded",
    "timeout": "decoding took longer than validate.timeout, twice",
    "memory": "decoding took more memory than validate.memory",
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
    """
    return name if other is None else f"{name}:{other}"


def word(text: str) -> str:
    """Return a reason's word, without the id behind it."""
    return text.partition(":")[0]


def meaning(text: str) -> str:
    """Return what a reason means, in a few words."""
    return REASONS[word(text)]
