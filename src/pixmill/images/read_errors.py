"""The reasons why images cannot be read: for each a meaning, and the next step."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pixmill.core.install.origin import install_command
from pixmill.core.params import ValidateParams
from pixmill.core.words import count
from pixmill.images.formats import EXTENSIONS, OTHER_FORMATS, sniff

_AGAIN = "copy or download it again, or delete it"
_CONVERT = "convert it to PNG or JPEG, and move the original away"

_REASONS = {
    "missing_file": ("the file is missing", "restore it: dvc checkout"),
    "not_a_file": (
        "not a regular file (a folder or a pipe, for example)",
        "put a copy of the file there, or move it away",
    ),
    "changed_bytes": ("the file has changed meanwhile", "run dvc repro again"),
    "empty": ("the file is empty", _AGAIN),
    "html": ("a web page instead of an image", "download the image itself, or delete it"),
    "svg": ("an SVG drawing, which is never rendered", _CONVERT),
    "archive": ("an archive instead of an image", "unpack it, then move it away"),
    "pdf": (
        "a PDF document instead of an image",
        "convert its pages to PNG or JPEG, or move it away",
    ),
    "lfs": (
        "a pointer of Git LFS instead of an image",
        "fetch the images in their repository: git lfs pull",
    ),
    "annex": (
        "a link of git-annex without its content",
        "fetch the images in their repository: git annex get",
    ),
    **{
        name: (f"{title}, a format that is not read", _CONVERT)
        for name, title in OTHER_FORMATS.items()
    },
    "unknown": (
        "not a known image format",
        "move it away; if it is an image, convert it to PNG or JPEG",
    ),
    "no_decoder": (
        "HEIC (rarely AVIF), whose decoder is not installed",
        "install the decoder of HEIC",
    ),
    "unsupported": ("an image of a kind that is not read, such as 64 bits per pixel", _CONVERT),
    "too_many_bytes": ("the file is too large to be read", "save a smaller copy"),
    "too_many_pixels": (
        f"more pixels than validate.max_pixels allows ({ValidateParams().max_pixels:,} by default)",
        "raise validate.max_pixels in params.yaml to the width times the height of the largest",
    ),
    "too_complex": ("too expensive to decode", "save it again as PNG or baseline JPEG"),
    "truncated": ("the file is truncated", _AGAIN),
    "broken": (
        "the image data is corrupt",
        "copy or download it again, convert it to PNG, or move it away",
    ),
    "timeout": ("took too long", "raise validate.timeout in params.yaml"),
    "memory": ("decoding took too much memory", "raise validate.memory in params.yaml"),
    "crashed": ("the decoder crashed", "save it again as PNG or JPEG, or move it away"),
}
"""Meaning and next step by reason of ``UndecodableError``, and of exceeded row limits."""

UNREADABLE = {name: meaning for name, (meaning, _) in _REASONS.items()}
"""Meanings by reason."""

_HEAD_BYTES = 4096
"""Bytes read to detect the format."""


def reason_of(path: Path) -> str | None:
    """Return why a file cannot be read, judged by its first bytes.

    ``None`` if it looks like an image.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be opened.
    """
    if not path.is_file():
        return (
            "annex"
            if path.is_symlink() and "/annex/objects/" in path.readlink().as_posix()
            else "not_a_file"
        )
    with path.open("rb") as stream:
        kind = sniff(stream.read(_HEAD_BYTES))
    if kind not in EXTENSIONS:
        return kind
    from pixmill.images.decode import decodable

    return None if decodable(kind) else "no_decoder"


def remedy(reason: str) -> str:
    """Return the next step for images with a reason, as a clause.

    Args:
        reason: Key of :data:`UNREADABLE`.
    """
    clause = _REASONS[reason][1]
    return f"{clause}: {install_command('heic')}" if reason == "no_decoder" else clause


def explain(reasons: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return each reason, most frequent first, with a phrase on its files, and the next step.

    Args:
        reasons: Keys of :data:`UNREADABLE`, one per file.
    """
    counts = sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    return [(name, f"{count(n, 'file')}: {UNREADABLE[name]}", remedy(name)) for name, n in counts]
