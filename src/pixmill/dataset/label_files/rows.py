"""What the readers of label files return."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class LabelRows(NamedTuple):
    """The rows of a label file, several for an image with several labels.

    Args:
        kind: What the file is, such as ``COCO``.
        rows: Values by column. A null label says nothing about the image.
        sure: Columns by role, as far as the format defines them.
    """

    kind: str
    rows: Sequence[dict[str, Any]]
    sure: dict[str, str]
