"""Read image files, but only regular files; and the reasons why bytes are not an image."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""An ordinary ``open`` of a pipe without a writer would block forever; with ``O_NONBLOCK`` it returns."""


class UndecodableError(Exception):
    """Raised when bytes are not a usable image.

    Args:
        reason: One word for tables. By content: ``empty``, ``html``, ``svg``, ``archive``, ``pdf`` or ``unknown``,
            or a key of :data:`pixmill.images.OTHER_FORMATS`; ``no_decoder`` if none is installed for the format.
            ``not_a_file``: a folder, a pipe or a device.
            ``missing_file`` and ``changed_bytes``: missing, or no longer matching the image's id.
            ``too_many_bytes``, ``too_many_pixels`` and ``too_complex``: over a limit, checked before decoding.
            ``truncated``: the file ends before the image does. ``broken``: anything else.
        detail: The decoder's message.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[UndecodableError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


Source = Path | bytes | Exception
"""A file, or what another process has read of it: its bytes, or why there are none."""


def load_source(path: Path) -> bytes | Exception:
    """Return a file's bytes, or why :func:`read_image` has none, for a machine that does not see the file."""
    try:
        return read_image(path)
    except (UndecodableError, OSError) as error:
        return error


def read_image(source: Source, *, max_bytes: int = 1 << 30) -> bytes:
    """Return the bytes of a regular file, following links.

    Args:
        source: The file.
        max_bytes: Maximum file size; default 1 GiB.

    Raises:
        UndecodableError: ``not_a_file`` for a folder, a pipe, a socket or a device, ``too_many_bytes`` for a larger
            file.
        OSError: The file is missing or unreadable, or there is a loop of links.
    """
    if isinstance(source, Exception):
        raise source
    if isinstance(source, bytes):
        if len(source) > max_bytes:
            raise UndecodableError("too_many_bytes", f"{len(source)}")
        return source
    # Checked by name first, since opening some devices has side effects, and again once it is open, since the name may
    # have been replaced.
    _check(source.stat(), max_bytes)
    descriptor = os.open(source, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_check(os.fstat(descriptor), max_bytes))


def read_verified(source: Source, name: str) -> bytes:
    """Return the bytes of an image file if they match its id.

    Args:
        source: The file.
        name: The image's id: the sha256 that its bytes must have, in hexadecimal digits.

    Raises:
        UndecodableError: ``missing_file`` if it cannot be read, ``changed_bytes`` if it does not match, or as in
            :func:`read_image`.
    """
    try:
        content = read_image(source)
    except OSError as error:
        raise UndecodableError("missing_file", str(error)) from error
    if hashlib.sha256(content).hexdigest() != name:
        raise UndecodableError("changed_bytes")
    return content


def _check(found: os.stat_result, max_bytes: int) -> int:
    if not stat.S_ISREG(found.st_mode):
        raise UndecodableError("not_a_file", stat.filemode(found.st_mode))
    if found.st_size > max_bytes:
        raise UndecodableError("too_many_bytes", f"{found.st_size}")
    return found.st_size
