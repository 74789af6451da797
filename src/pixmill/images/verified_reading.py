"""Read image files if they are regular files, and optionally verify their content."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from pixmill.images.formats import EXTENSIONS, sniff


class UndecodableError(Exception):
    """Raised when bytes are not a usable image.

    Args:
        reason: One word for tables, a key of :data:`pixmill.images.read_errors.UNREADABLE`. By
            content: ``empty``, ``html``, ``svg``, ``archive``, ``pdf``, ``lfs``, ``annex`` or
            ``unknown``, or a key of :data:`pixmill.images.OTHER_FORMATS`; ``no_decoder`` if none is
            installed for the format, ``unsupported`` if it does not read this variety of the
            format. ``not_a_file``: a folder, a pipe or a device. ``missing_file`` and
            ``changed_bytes``: missing, or no longer matching the image's id. ``too_many_bytes``,
            ``too_many_pixels`` and ``too_complex``: over a limit, checked before decoding.
            ``truncated``: the file ends before the image does. ``broken``: anything else.
        detail: The decoder's message.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[UndecodableError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


def known_format(content: bytes) -> str:
    """Return the format of an image, a key of :data:`pixmill.images.EXTENSIONS`.

    Raises:
        UndecodableError: It is not an image, judged by its first bytes.
    """
    kind = sniff(content)
    if kind not in EXTENSIONS:
        raise UndecodableError(kind)
    return kind


Source = Path | bytes | Exception
"""A file, or the result of :func:`load_source`: its bytes, or the error."""


def load_source(path: Path) -> bytes | Exception:
    """Return a file's bytes or the error of :func:`read_image`, to send to another machine."""
    try:
        return read_image(path)
    except (UndecodableError, OSError) as error:
        return error


def read_image(source: Source, *, max_bytes: int = 1 << 30) -> bytes:
    """Return the bytes of a regular file, following links.

    Args:
        source: Image file.
        max_bytes: Maximum file size; default 1 GiB.

    Raises:
        UndecodableError: ``not_a_file`` for a folder, a pipe, a socket or a device,
            ``too_many_bytes`` for a larger file.
        OSError: The file is missing or unreadable, or there is a loop of links.
    """
    if isinstance(source, Exception):
        raise source
    if isinstance(source, bytes):
        if len(source) > max_bytes:
            raise UndecodableError("too_many_bytes", f"{len(source)}")
        return source
    found = source.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UndecodableError("not_a_file", stat.filemode(found.st_mode))
    if found.st_size > max_bytes:
        raise UndecodableError("too_many_bytes", f"{found.st_size}")
    return source.read_bytes()


def read_verified(source: Source, name: str) -> bytes:
    """Return the bytes of an image file if they match its id.

    Args:
        source: Image file.
        name: Id of the image: the expected SHA-256, in hexadecimal digits.

    Raises:
        UndecodableError: ``missing_file`` if it cannot be read, ``changed_bytes`` if it does not
            match, or as in :func:`read_image`.
    """
    try:
        content = read_image(source)
    except OSError as error:
        raise UndecodableError("missing_file", str(error)) from error
    if hashlib.sha256(content).hexdigest() != name:
        raise UndecodableError("changed_bytes")
    return content
