"""Read an image's file, and nothing that only bears such a name; and the reason why some bytes are no image."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

__all__ = ["Undecodable", "read_image", "read_verified"]

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe that nobody writes to would hold up an ordinary ``open`` for ever; one with ``O_NONBLOCK`` returns."""


class Undecodable(Exception):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say why some bytes are no image.

    Args:
        reason: One word for tables. By content: ``empty``, ``html``, ``svg``, ``archive``, ``pdf`` or ``unknown``;
            ``no_decoder`` where the machine has none for the format. ``not_a_file``: a folder, a pipe or a device.
            ``missing_file`` and ``changed_bytes``: not there, or no longer what the image's id was made of.
            ``too_many_bytes``, ``too_many_pixels`` and ``too_complex``: more work than an image is worth, told before
            it is done. ``truncated``: the file ends before the image does. ``broken``: anything else.
        detail: What the decoder said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Undecodable], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


def read_image(path: Path, *, max_bytes: int = 1 << 30) -> bytes:
    """Return the bytes of a regular file, or of the one that a link leads to.

    Args:
        path: Where it is.
        max_bytes: The largest file that is read; default 1 GiB.

    Raises:
        Undecodable: ``not_a_file`` for a folder, a pipe, a socket or a device, ``too_many_bytes`` for a larger file.
        OSError: There is nothing there, it may not be read, or links go round in a circle.
    """
    # Asked by name first: to open some devices does something to them. Asked again once it is open: by then the name
    # may stand for something else.
    _check(path.stat(), max_bytes)
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_check(os.fstat(descriptor), max_bytes))


def read_verified(path: Path, name: str) -> bytes:
    """Return the bytes of an image's file, if they are those that its id was made of.

    Args:
        path: Where it is.
        name: The image's id: the sha256 that its bytes must have, in hexadecimal digits.

    Raises:
        Undecodable: ``missing_file`` where nothing can be read, ``changed_bytes`` where others are there now, or as
            :func:`read_image`.
    """
    try:
        content = read_image(path)
    except OSError as error:
        raise Undecodable("missing_file", str(error)) from error
    if hashlib.sha256(content).hexdigest() != name:
        raise Undecodable("changed_bytes")
    return content


def _check(found: os.stat_result, max_bytes: int) -> int:
    if not stat.S_ISREG(found.st_mode):
        raise Undecodable("not_a_file", stat.filemode(found.st_mode))
    if found.st_size > max_bytes:
        raise Undecodable("too_many_bytes", f"{found.st_size}")
    return found.st_size
