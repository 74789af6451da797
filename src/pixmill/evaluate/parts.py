"""The packed parts of the split, checked against the manifest and against what the model knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.errors import ManifestError
from pixmill.manifest import SPLIT, read_table

__all__ = ["PARTS", "Part", "load_parts"]

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Part:
    """Hold the pictures of one part.

    Args:
        name: ``train``, ``val`` or ``test``.
        rows: Columns ``id``, ``label`` and ``group``; row i is picture i of ``pixels``.
        pixels: ``uint8`` of shape (pictures, side, side, 3), mapped from the file, not read.
    """

    name: str
    rows: pd.DataFrame
    pixels: npt.NDArray[np.uint8]


def load_parts(folder: Path, labels: Sequence[str], side: int) -> tuple[Part, ...]:
    """Return the three parts, each with the manifest's rows in the order of its array.

    Args:
        folder: ``artifacts/split``.
        labels: The classes that the model tells apart.
        side: Side of the square that the model takes, in pixels.

    Raises:
        ManifestError: A file is missing or malformed, an array has not the pictures that the manifest lists, or the
            model was trained on other classes or another size.
    """
    path = folder / "manifest.parquet"
    manifest = read_table(path, SPLIT, stage="split")
    kept = manifest[manifest["split"].notna()]
    unknown = sorted(set(kept["label"]) - set(labels))
    if unknown:
        raise ManifestError(
            f"{path} has pictures of {', '.join(unknown)}, but the model was trained on {', '.join(labels)}",
            next="dvc repro train",
        )
    return tuple(_load(folder / f"{name}.npy", name, kept[kept["split"] == name], side) for name in PARTS)


def _load(path: Path, name: str, rows: pd.DataFrame, side: int) -> Part:
    rows = rows.sort_values("row")
    if rows.empty:
        raise ManifestError(f"{path.parent / 'manifest.parquet'} has no picture in {name}", next="dvc repro -f split")
    try:
        pixels = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next="dvc repro split") from None
    except (EOFError, ValueError) as error:
        raise ManifestError(f"{path} is not an array: {error}", next="dvc repro -f split") from None
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (pixels.shape[1], pixels.shape[1], 3):
        raise ManifestError(
            f"{path}: expected square RGB pictures of uint8, received {pixels.dtype} of shape {pixels.shape}",
            next="dvc repro -f split",
        )
    if len(pixels) != len(rows) or not np.array_equal(rows["row"].to_numpy(np.int64), np.arange(len(rows))):
        raise ManifestError(
            f"{path} holds {len(pixels)} pictures, and the manifest beside it lists {len(rows)} for {name}: "
            "expected one row each, numbered from 0",
            next="dvc repro -f split",
        )
    if pixels.shape[1] != side:
        raise ManifestError(
            f"{path} holds pictures of {pixels.shape[1]} x {pixels.shape[1]} pixels, "
            f"but the model was trained on {side} x {side}",
            next="dvc repro train",
        )
    return Part(name, rows[["id", "label", "group"]].reset_index(drop=True), pixels)
