"""The pictures of one part with their ids, labels and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.errors import ManifestError
from pixmill.manifest import SPLIT, read_table
from pixmill.parts.header import header_path, open_shards
from pixmill.parts.shards import Shards

__all__ = ["PARTS", "Part", "PartName", "load_parts"]

PartName = Literal["train", "val", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)

_AGAIN = "dvc repro -f split"

_COLUMNS = ("id", "label", "cluster", "fold")
"""What a part keeps of the manifest."""


@dataclass(frozen=True)
class Part:
    """Hold the pictures of one part, on disk until they are asked for.

    Args:
        name: ``train``, ``val`` or ``test``.
        rows: Columns ``id``, ``label``, ``cluster`` and ``fold``; row i is picture i of ``pixels``.
        targets: ``int32`` of shape (n,): each picture's class by its place among the labels.
        pixels: ``uint8`` of shape (n, side, side, 3), mapped from its files, not read.
    """

    name: PartName
    rows: pd.DataFrame
    targets: npt.NDArray[np.int32]
    pixels: Shards

    def __len__(self) -> int:
        return len(self.rows)

    def batches(
        self, size: int, order: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """Yield pictures as a model takes them, ``float32`` from 0 to 255, with their targets.

        Args:
            size: Pictures a batch; the last one may have fewer.
            order: Rows in the order of their coming; default: as they lie.
        """
        rows = np.arange(len(self)) if order is None else order
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            yield self.pixels[chosen].astype(np.float32), self.targets[chosen]


def load_parts(
    folder: Path, labels: Sequence[str], *, side: int, names: Sequence[PartName] = PARTS
) -> dict[PartName, Part]:
    """Return parts by name, each with the manifest's rows in the order of its array.

    Args:
        folder: ``artifacts/split``.
        labels: The classes, in the order of the model's outputs.
        side: Side of the pictures in pixels.
        names: Which parts; default: all three.

    Raises:
        ManifestError: A file is missing or malformed, an array has not the pictures that the manifest lists, or they
            are of other classes or another size.
    """
    path = folder / "manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split", columns=[*_COLUMNS, "split", "row"])
    kept = manifest[manifest["split"].notna()]
    unknown = sorted(set(kept["label"]) - set(labels))
    if unknown:
        raise ManifestError(
            f"{path} has pictures of {', '.join(unknown)}; expected {', '.join(labels)}", next="dvc repro"
        )
    return {name: _load(folder, name, kept[kept["split"] == name], labels, side) for name in names}


def _load(folder: Path, name: PartName, rows: pd.DataFrame, labels: Sequence[str], side: int) -> Part:
    rows = rows.sort_values("row")
    if rows.empty:
        raise ManifestError(f"{folder / 'manifest.parquet'} has no picture in {name}", next=_AGAIN)
    pixels = open_shards(folder, name)
    if len(pixels) != len(rows) or not np.array_equal(rows["row"], np.arange(len(rows))):
        raise ManifestError(
            f"{header_path(folder, name)} tells of {len(pixels)} pictures, and the manifest beside it lists "
            f"{len(rows)} for {name}: expected one row each, numbered from 0",
            next=_AGAIN,
        )
    if pixels.shape[1] != side:
        raise ManifestError(
            f"{header_path(folder, name)} tells of pictures of {pixels.shape[1]} x {pixels.shape[1]} pixels; expected "
            f"{side} x {side}",
            next="dvc repro",
        )
    targets = pd.Index(labels).get_indexer(pd.Index(rows["label"])).astype(np.int32)
    return Part(name, rows[list(_COLUMNS)].reset_index(drop=True), targets, pixels)
