"""Why some bytes are no picture, in one word."""

from __future__ import annotations

__all__ = ["Undecodable"]


class Undecodable(Exception):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say why some bytes are no picture.

    Args:
        reason: One word for tables. By content: ``empty``, ``html``, ``svg``, ``archive``, ``pdf`` or ``unknown``;
            ``no_decoder`` where the machine has none for the format. ``not_a_file``: a folder, a pipe or a device.
            ``missing_file`` and ``changed_bytes``: not there, or no longer what the picture's id was made of.
            ``too_many_bytes``, ``too_many_pixels`` and ``too_complex``: more work than a picture is worth, told before
            it is done. ``truncated``: the file ends before the picture does. ``broken``: anything else.
        detail: What the decoder said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Undecodable], tuple[str, str]]:
        return type(self), (self.reason, self.detail)
