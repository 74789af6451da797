"""Outliers of a class by simple features: brightness, contrast, sharpness, entropy, border, shape and size.

A feature's distance from the class is its modified z-score, ``0.6745 (x - median) / MAD``, and an outlier is what lies
beyond 3.5 of them (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", ASQC 1993). Median and MAD hold as long
as fewer than half of a class are odd, and each score says in plain words what is odd about an image.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FEWEST = 10
"""A class of fewer kept images has no habits that one could be unlike."""

_BEYOND = 3.5
_CONSISTENT = 0.6745
"""The MAD of a normal distribution with standard deviation 1."""

Floats = npt.NDArray[np.float64]


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, 1e-6))


_FEATURES: dict[str, tuple[Callable[[Floats], Floats], float]] = {
    "brightness": (np.asarray, 4.0),
    "contrast": (np.asarray, 3.0),
    "sharpness": (np.log1p, 0.2),
    "entropy": (np.asarray, 0.2),
    "border": (np.asarray, 0.04),
    "aspect_ratio": (_log, 0.08),
    "short_side": (_log, 0.15),
}
"""Columns of the manifest, each with the scale that makes its values comparable (sizes and sharpness differ by factors)
and the smallest MAD that is believed on it: where a class is all alike, a difference that nobody sees is not odd."""


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike its class.

    Args:
        row: Its row in the manifest.
        score: Its largest modified z-score, without the sign.
        why: What is odd about it, as a sentence.
    """

    row: int
    score: float
    why: str


class ClassProfile:
    """The distribution of the kept images of a class.

    Args:
        label: The class.
        rows: Their rows in the manifest.
        members: Their part of the manifest.
    """

    def __init__(self, label: str, rows: npt.NDArray[np.intp], members: pd.DataFrame) -> None:
        self.label = label
        self._rows = rows
        self._values = members[list(_FEATURES)].to_numpy(np.float64)
        columns = zip(_FEATURES.values(), self._values.T, strict=True)
        scaled = np.stack([scale(values) for (scale, _), values in columns], axis=1)
        away = scaled - np.median(scaled, axis=0)
        least = np.array([least for _, least in _FEATURES.values()])
        self.scores: Floats = _CONSISTENT * away / np.maximum(np.median(np.abs(away), axis=0), least)
        self._most = np.abs(self.scores).max(axis=1)

    def ordinary(self, count: int) -> tuple[int, ...]:
        """Return the rows of the most ordinary images."""
        return tuple(self._rows[np.argsort(self._most, kind="stable")[:count]].tolist())

    def outliers(self) -> list[Outlier]:
        """Return the outliers, the oddest first."""
        order = np.argsort(-self._most, kind="stable")[: int((self._most > _BEYOND).sum())]
        return [Outlier(int(self._rows[place]), float(self._most[place]), self._why(place)) for place in order.tolist()]

    def _why(self, place: int) -> str:
        which = int(np.abs(self.scores[place]).argmax())
        low, high = np.quantile(self._values[:, which], [0.25, 0.75])
        feature, value = [*_FEATURES][which].replace("_", " "), self._values[place, which]
        return (
            f"Unlike other images of '{self.label}': {feature} {value:.4g} "
            f"(interquartile range {low:.4g} to {high:.4g})."
        )


def find_habits(manifest: pd.DataFrame) -> dict[str, ClassProfile]:
    """Return the habits of each class, by label, of classes with at least :data:`FEWEST` kept images.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, with its rows numbered from 0.
    """
    labels = manifest["label"].astype(object).where((manifest["verdict"] == "keep").to_numpy(bool))
    groups = labels.groupby(labels, sort=True).indices
    return {
        str(label): ClassProfile(str(label), np.asarray(rows), manifest.iloc[rows])
        for label, rows in groups.items()
        if len(rows) >= FEWEST
    }
