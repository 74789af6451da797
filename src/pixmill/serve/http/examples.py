"""Test images to try the model on, from the project's packed test split."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
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


async def load_examples(root: Path | None, labels: Collection[str]) -> dict[str, Example]:
    """Return the first test images of each class by id, read once; none without a test split or without Arrow.

    Args:
        root: Project folder; ``None``: no examples.
        labels: Classes of the model.
    """
    found = await asyncio.to_thread(_read, root) if root and find_spec("pyarrow") else []
    return {example.id: example for example in found if example.label in labels}


@cache
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
