"""Outliers of a class by simple features, such as brightness, sharpness, shape and size.

The score of an image is its largest modified z-score, ``0.6745 (x - median) / MAD``. Images with a
score above 3.5 are outliers (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", ASQC 1993).
Median and MAD are robust as long as fewer than half of the images are outliers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

MIN_IMAGES = 10
"""Minimum number of kept images of a class for a profile."""

_MAX_SCORE = 3.5
_NORMAL_MAD = 0.6745
"""MAD of the standard normal distribution."""

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
"""Columns of the manifest with their scale (logarithmic for sizes and sharpness) and minimum MAD.

The minimum prevents
invisible differences from counting in a class of very similar images.
"""


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike its class.

    Args:
        row: Its row in the manifest.
        score: Its largest absolute modified z-score.
        why: Reason as a sentence.
    """

    row: int
    score: float
    why: str


class ClassProfile:
    """The distribution of the kept images of a class.

    Args:
        label: The class.
        rows: Rows of the images in the manifest.
        members: These rows of the manifest.
    """

    def __init__(self, label: str, rows: npt.NDArray[np.intp], members: pd.DataFrame) -> None:
        self.label = label
        self._rows = rows
        self._values = members[list(_FEATURES)].to_numpy(np.float64)
        columns = zip(_FEATURES.values(), self._values.T, strict=True)
        scaled = np.stack([scale(values) for (scale, _), values in columns], axis=1)
        away = scaled - np.median(scaled, axis=0)
        min_mad = np.array([mad for _, mad in _FEATURES.values()])
        self.scores: Floats = (
            _NORMAL_MAD * away / np.maximum(np.median(np.abs(away), axis=0), min_mad)
        )
        self._most = np.abs(self.scores).max(axis=1)

    def typical(self, count: int) -> tuple[int, ...]:
        """Return the rows of the most typical images."""
        return tuple(self._rows[np.argsort(self._most, kind="stable")[:count]].tolist())

    def outliers(self) -> list[Outlier]:
        """Return the outliers, highest score first."""
        order = np.argsort(-self._most, kind="stable")[: int((self._most > _MAX_SCORE).sum())]
        return [
            Outlier(int(self._rows[place]), float(self._most[place]), self._why(place))
            for place in order.tolist()
        ]

    def _why(self, place: int) -> str:
        which = int(np.abs(self.scores[place]).argmax())
        low, high = np.quantile(self._values[:, which], [0.25, 0.75])
        feature = [*_FEATURES][which].replace("_", " ")
        value = self._values[place, which]
        return (
            f"Unlike other images of '{self.label}': {feature} {value:.4g} "
            f"(interquartile range {low:.4g} to {high:.4g})."
        )


def class_profiles(manifest: pd.DataFrame) -> dict[str, ClassProfile]:
    """Return profiles by label, of classes with at least :data:`MIN_IMAGES` kept images.

    Args:
        manifest: Columns of :data:`pixmill.core.manifest.VALIDATED`; the index counts from 0.
    """
    labels = manifest["label"].astype(object).where((manifest["verdict"] == "keep").to_numpy(bool))
    groups = labels.groupby(labels, sort=True).indices
    return {
        str(label): ClassProfile(str(label), np.asarray(rows), manifest.iloc[rows])
        for label, rows in groups.items()
        if len(rows) >= MIN_IMAGES
    }
