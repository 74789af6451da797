"""Packed images: test images to try the model on, and training images like an image."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from pixmill.core.cells import NONE, show_labels, task_of
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_mark
from pixmill.heads import head_of
from pixmill.images.fit import thumbnail, thumbnail_uri
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.nearest import load_training, most_similar
from pixmill.serve.predict.model import Model

_MAX_PER_CLASS = 2
_MAX_EXAMPLES = 40
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Example:
    """A test image.

    Args:
        id: The sha256 of the original.
        labels: Its class, or the labels that it has, if any.
        jpeg: The packed image, which the network sees, as a JPEG.
    """

    id: str
    labels: tuple[str, ...]
    jpeg: bytes


async def load_examples(root: Path | None, model: Model) -> dict[str, Example]:
    """Return the first test images of each class by id, read once.

    None without a test split or without Arrow.

    Args:
        root: Project folder; ``None``: no examples.
        model: The model.
    """
    found = (
        await asyncio.to_thread(_read, root, model.task) if root and find_spec("pyarrow") else []
    )
    return {example.id: example for example in found if {*example.labels} <= {*model.labels}}


@cache
def _read(root: Path, task: str) -> list[Example]:
    rows, pixels = _open(root, "test")
    labels_of = {row["id"]: tuple(head_of(task).labels_of(row["label"])) for row in rows}
    # Images without any label are examples, too.
    shown = {name: labels or (NONE,) for name, labels in labels_of.items()}
    labels = sorted({*chain(*shown.values())})
    each = max(1, min(_MAX_PER_CLASS, _MAX_EXAMPLES // max(1, len(labels))))
    found: dict[str, dict[str, Any]] = {}
    for label in labels:
        of_label = [row for row in rows if label in shown[row["id"]]]
        found |= {row["id"]: row for row in of_label[:each]}
    return [
        Example(
            name,
            labels_of[name],
            thumbnail(pixels[row["row"]], pixels.shape[1], quality=_JPEG_QUALITY),
        )
        for name, row in [*found.items()][:_MAX_EXAMPLES]
    ]


def nearest_finder(
    root: Path, folder: Path, model: Model
) -> Callable[[bytes], list[dict[str, Any]]] | None:
    """Return a function from a vector to the most similar training images.

    ``None`` without an evaluation of the model, or if that is of another task.

    It returns ``id``, ``label``, ``similarity`` and ``thumbnail`` (a ``data:`` URI) of images that
    the packed train split has. Files are read again only after they changed.

    Args:
        root: Project folder.
        folder: The model's folder, or its file.
        model: The model.
    """
    files = (
        root / "artifacts/evaluate/nearest.parquet",
        root / "artifacts/split",
        folder / NOVELTY_FILE,
    )
    return _nearest_finder(
        root,
        folder,
        model.task,
        tuple(model.labels),
        *map(file_mark, files),
    )


@lru_cache(maxsize=1)
def _nearest_finder(
    root: Path, folder: Path, task: str, labels: tuple[str, ...], *_: tuple[int, ...]
) -> Callable[[bytes], list[dict[str, Any]]] | None:
    training = load_training(root, folder)
    if training is None:
        return None
    texts = {*training["label"]}
    if any(task_of(text) != task for text in texts):
        return None
    labels_of = head_of(task).labels_of
    shown = {text: labels_of(text) for text in texts}
    if not {*chain(*shown.values())} <= {*labels}:
        return None
    packed, pixels = _open(root, "train")
    rows = {row["id"]: row["row"] for row in packed}

    def find(vector: bytes) -> list[dict[str, Any]]:
        found = [each for each in most_similar(training, vector) if each["id"] in rows]
        return [
            {
                "id": each["id"],
                "label": show_labels(shown[each["label"]]),
                "similarity": each["similarity"],
                "thumbnail": thumbnail_uri(pixels[rows[each["id"]]]),
            }
            for each in found
        ]

    return find


def _open(root: Path, part: str) -> tuple[list[dict[str, Any]], Any]:
    """Return the manifest's rows of a packed split, sorted by id, and its images.

    No rows if it cannot be read.
    """
    import pyarrow.parquet as pq

    from pixmill.images.parts import open_images

    folder = root / "artifacts/split"
    try:
        path = folder / "manifest.parquet"
        columns = ["id", "label", "row"]
        table = pq.read_table(path, columns=columns, filters=[("split", "=", part)]).sort_by("id")
        return table.to_pylist(), open_images(folder, part)
    except (OSError, ValueError, PixmillError):
        return [], None
