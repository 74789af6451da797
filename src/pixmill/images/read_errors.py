"""Explanations of the reasons why images cannot be read."""

from pixmill.images.formats import OTHER_FORMATS

UNREADABLE = {
    "missing_file": "the file is missing",
    "not_a_file": "not a regular file (a folder or a pipe, for example)",
    "changed_bytes": "the file has changed meanwhile",
    "empty": "the file is empty",
    "html": "a web page instead of an image",
    "svg": "an SVG drawing, which is never rendered",
    "archive": "an archive instead of an image",
    "pdf": "a PDF document instead of an image",
    **{name: f"{title}, a format that is not read; convert it to PNG" for name, title in OTHER_FORMATS.items()},
    "unknown": "not a known image format",
    "no_decoder": "no decoder for this format is installed",
    "too_many_bytes": "the file is too large to be read",
    "too_many_pixels": "too many pixels to be decoded",
    "too_complex": "too expensive to decode",
    "truncated": "the file is truncated",
    "broken": "the image data is corrupt",
    "timeout": "took too long",
    "memory": "decoding took too much memory",
    "crashed": "the decoder crashed",
}
"""Explanations by reason: those of :class:`pixmill.images.UndecodableError`, and those of exceeded row limits."""
