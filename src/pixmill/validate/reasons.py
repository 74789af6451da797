"""Reasons for dropping an image, and their meaning."""

from pixmill.images import read_errors as images

UNREADABLE = images.UNREADABLE | {
    "changed_bytes": "the file has changed since it was scraped: its SHA-256 is not its id",
    "too_many_pixels": "larger than validate.max_pixels, so not decoded",
    "timeout": "decoding took longer than validate.timeout, twice",
    "memory": "decoding took more memory than validate.memory",
}
"""Reasons of images without pixels, which no decision can override."""

REASONS = UNREADABLE | {
    "review": "dropped by a decision in decisions.csv",
    "disputed": "people disagree about it in decisions.csv",
    "unlabelled": "nobody gave it a label",
    "too_small": "a side is shorter than validate.image_size allows",
    "format_not_allowed": "its format is not in validate.formats.allowed",
    "label_undeclared": "its label is not one of the classes",
    "placeholder": "a placeholder: the same image at many URLs or under many labels",
    "label_conflict": "the same image was also found under another label",
    "leak": "the same pixels are in a higher-ranking split of the predefined split",
    "repeated": "one of very many near-duplicates of a kept image",
    "duplicate_pixels": "a kept image has the same pixels and the same label",
}
"""All reasons of validate, with their meaning.

The manifest has the reason alone, or ``<reason>:<id>`` with another image: the kept one for
``duplicate_pixels``, ``repeated`` and ``leak``, one with the other label for ``label_conflict``.
"""


def reason(name: str, other: str | None = None) -> str:
    """Return a reason in the form of the manifest.

    Args:
        name: Key of :data:`REASONS`.
        other: Id of the other image, if any.
    """
    return name if other is None else f"{name}:{other}"


def word(text: str) -> str:
    """Return the key of a reason, without the id."""
    return text.partition(":")[0]


def meaning(text: str) -> str:
    """Return the meaning of a reason."""
    return REASONS[word(text)]
