"""One part's pictures and labels, by memory map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.errors import ManifestError

__all__ = ["Part", "load_part"]

_AGAIN = "dvc repro -f split"


@dataclass(frozen=True)
class Part:
    """Hold the pictures of one part, on disk until they are asked for.

    Args:
        pixels: ``uint8`` of shape (n, side, side, 3), mapped into memory.
        labels: ``int32`` of shape (n,): each picture's class by its place in the params.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, size: int, order: npt.NDArray[np.int64] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
        """Yield pictures as float32 from 0 to 255, with their labels.

        Args:
            size: Pictures a batch; the last one may have fewer.
            order: Rows in the order of their coming; default: as they lie.
        """
        rows = np.arange(len(self)) if order is None else order
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            yield self.pixels[chosen].astype(np.float32), self.labels[chosen]


def load_part(folder: Path, name: str, manifest: pd.DataFrame, classes: Sequence[str]) -> Part:
    """Return one part as split packed it.

    Args:
        folder: What split wrote.
        name: ``train``, ``val`` or ``test``.
        manifest: The table that split wrote.
        classes: The labels, in the order of the params.

    Raises:
        ManifestError: Array and manifest do not belong together, or the labels are those of other params.
    """
    path = folder / f"{name}.npy"
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next="dvc repro split") from None
    except ValueError as error:
        raise ManifestError(f"{path} is no array of pictures: {error}", next=_AGAIN) from None
    rows = manifest[manifest["split"] == name].sort_values("row")
    if len(rows) != len(pixels) or rows["row"].tolist() != list(range(len(pixels))):
        raise ManifestError(f"{path} has {len(pixels)} pictures, its manifest {len(rows)}", next=_AGAIN)
    index = {label: place for place, label in enumerate(classes)}
    strange = sorted(set(rows["label"]) - set(classes))
    if strange:
        raise ManifestError(f"{folder} holds the labels {', '.join(strange)}, which params.yaml has not", next=_AGAIN)
    return Part(pixels, np.array([index[label] for label in rows["label"]], dtype=np.int32))
