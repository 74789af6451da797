"""Test images to try the model on, from the project's packed test split."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.images.fit import thumbnail

_MAX_PER_CLASS, _MAX_EXAMPLES = 2, 40
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Example:
    """A test image.

    Args:
        id: The sha256 of the original.
        label: Its class.
        jpeg: The packed image, which the network sees, as a JPEG.
    """

    id: str
    label: str
    jpeg: bytes


class ExampleImages:
    """Read a project's examples once, at the first request.

    Args:
        root: Project folder; ``None``: no examples. There are none without Arrow, of the extra ``pipeline``, either.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._lock = asyncio.Lock()
        self._found: list[Example] | None = None

    async def of(self, labels: Sequence[str]) -> dict[str, Example]:
        """Return the first test images of each class by id; none if there is no test split."""
        async with self._lock:
            if self._found is None:
                has_arrow = find_spec("pyarrow") is not None
                self._found = await asyncio.to_thread(_read, self._root) if self._root and has_arrow else []
        return {example.id: example for example in self._found if example.label in labels}


def _read(root: Path) -> list[Example]:
    import pyarrow.parquet as pq

    from pixmill.images.parts import open_images

    folder = root / "artifacts" / "split"
    try:
        table = pq.read_table(folder / "manifest.parquet", columns=["id", "label", "split", "row"])
        pixels = open_images(folder, "test")
    except (OSError, ValueError, PixmillError):
        return []
    rows = sorted((row for row in table.to_pylist() if row["split"] == "test"), key=lambda row: row["id"])
    labels = sorted({row["label"] for row in rows})
    each = max(1, min(_MAX_PER_CLASS, _MAX_EXAMPLES // max(1, len(labels))))
    found = [row for label in labels for row in [row for row in rows if row["label"] == label][:each]]
    return [
        Example(row["id"], row["label"], thumbnail(pixels[row["row"]], pixels.shape[1], quality=_JPEG_QUALITY))
        for row in found[:_MAX_EXAMPLES]
    ]
