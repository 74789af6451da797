"""The same model fitted once for each fold, to tell how much of a figure is luck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.errors import ManifestError
from pixmill.parts import Part, Shards

__all__ = ["Fold", "FoldResult", "fold_metrics", "folds_of"]


@dataclass(frozen=True)
class Fold:
    """Hold one way to part the pictures for training and validation anew.

    Args:
        number: From 0.
        training: All pictures but the fold's.
        validation: The fold's pictures.
    """

    number: int
    training: Part
    validation: Part


@dataclass(frozen=True)
class FoldResult:
    """Hold what came of a fold.

    Args:
        number: From 0.
        accuracy: Share of the fold's pictures that are told right by a model that never met them.
        loss: Mean loss of the fold's pictures.
    """

    number: int
    accuracy: float
    loss: float


class _Chosen:
    """Index some of the pictures of several parts as if they lay in one array; nothing is read before that.

    Args:
        sources: The parts' pixels.
        rows: Places in them, counted on from one to the next.
    """

    def __init__(self, sources: Sequence[Shards], rows: npt.NDArray[np.int64]) -> None:
        self._sources, self._rows = sources, rows
        self._starts = np.cumsum([0, *(len(source) for source in sources)])
        self.shape = (len(rows), *sources[0].shape[1:])
        self.dtype = sources[0].dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        rows = self._rows[key]
        flat = np.atleast_1d(rows)
        found = np.empty((len(flat), *self.shape[1:]), np.uint8)
        for source, start in zip(self._sources, self._starts[:-1].tolist(), strict=True):
            here = (flat >= start) & (flat < start + len(source))
            if here.any():
                found[here] = source[flat[here] - start]
        return found if np.ndim(rows) else found[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.generic]:
        if copy is False:
            raise ValueError("pixels that lie in files cannot become an array without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype)


def folds_of(training: Part, validation: Part) -> Iterator[Fold]:
    """Yield the folds that split drew, in the order of their numbers.

    Args:
        training: The training part.
        validation: The validation part.

    Raises:
        ManifestError: The pictures are in no folds.
    """
    both = (training, validation)
    rows = pd.concat([part.rows for part in both], ignore_index=True)
    if "fold" not in rows or rows["fold"].isna().any():
        raise ManifestError(
            "train.cross_validation needs folds, and split made none",
            next="set split.folds in params.yaml, to 5 for instance, then: dvc repro",
        )
    targets = np.concatenate([part.targets for part in both])
    numbers = rows["fold"].to_numpy(np.int64)

    def some(name: Any, chosen: npt.NDArray[np.bool_]) -> Part:
        places = np.flatnonzero(chosen)
        pixels = cast("Shards", _Chosen([part.pixels for part in both], places))
        return Part(name, rows.iloc[places].reset_index(drop=True), targets[places], pixels)

    for number in np.unique(numbers).tolist():
        yield Fold(number, some("train", numbers != number), some("val", numbers == number))


def fold_metrics(results: Sequence[FoldResult]) -> dict[str, Any]:
    """Return what a reviewer compares: how good the folds are on average, and how far they lie apart.

    Args:
        results: One a fold; none gives nothing.
    """
    if not results:
        return {}
    accuracies = np.array([result.accuracy for result in results])
    losses = np.array([result.loss for result in results])
    return {
        "folds": {
            "n": len(results),
            "accuracy_mean": float(accuracies.mean()),
            # Of the folds as a sample of all that might have been drawn.
            "accuracy_spread": float(accuracies.std(ddof=1)),
            "accuracy_min": float(accuracies.min()),
            "accuracy_max": float(accuracies.max()),
            "loss_mean": float(losses.mean()),
        }
    }
