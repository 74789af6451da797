"""Standardisation of features without copying them, and principal directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import TrainError
from pixmill.metrics.arrays import Floats

BLOCK_ROWS = 512
"""Rows in double precision at a time; they fit into the cache of the processor."""

_MIN_RELATIVE_DEVIATION = 0.2
"""Minimum divisor of features of several layers, relative to the median standard deviation.

Without it, a feature that
is nearly constant in training would dominate images in which it differs.
"""

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """The mean and standard deviation that standardise each feature.

    Args:
        mean: ``float64`` of shape (width,).
        deviation: ``float64`` of shape (width,), at least a floor; 1 for a constant feature.
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, features: Features, *, several: bool = False) -> Scaling:
        """Return the scaling of features, computed block by block.

        Args:
            features: Shape (n, width).
            several: Whether the features come from several layers, so deviations have a minimum.
                Default: false.

        Raises:
            TrainError: A feature is not finite.
        """
        blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(features), BLOCK_ROWS)]
        with np.errstate(invalid="ignore"):  # Infinite features raise below.
            mean = sum(features[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(
                features
            )
        if not np.isfinite(mean).all():
            raise TrainError(
                "some features of the images are not finite",
                next="choose another train.backbone.name or its weights in params.yaml, then: dvc "
                "repro train",
            )
        squares = sum(((features[block] - mean) ** 2).sum(axis=0) for block in blocks)
        deviation = np.sqrt(squares / len(features))
        varies = deviation > 1e-7 * (1 + np.abs(mean))
        if several and varies.any():
            deviation = np.maximum(
                deviation, _MIN_RELATIVE_DEVIATION * np.median(deviation[varies])
            )
        return cls(mean, np.where(varies, deviation, 1.0))

    def fold_into(self, kernel: npt.NDArray[Any], bias: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """Return kernel and bias on raw features, equivalent to those on scaled features.

        Args:
            kernel: Shape (width, units).
            bias: Shape (units,).
        """
        scaled = kernel / self.deviation[:, None]
        return scaled, bias - self.mean @ scaled


def principal_directions(features: Features, scaling: Scaling, limit: int) -> Floats:
    """Return the leading principal directions of standardised features, the strongest last.

    The number of threads of matrix products affects the last digits.

    Args:
        features: Shape (n, width).
        scaling: Scaling of the features.
        limit: Maximum number of directions, at least one.

    Returns:
        Orthonormal columns, shape (width, directions); no columns if all features are constant.
    """
    from scipy.linalg import eigh

    count, width = features.shape
    # The directions follow from either product; take the smaller one.
    if count < width:
        standard = (features - scaling.mean) / scaling.deviation
        product = standard @ standard.T
    else:
        product = np.zeros((width, width))
        for start in range(0, count, BLOCK_ROWS):
            block = (features[start : start + BLOCK_ROWS] - scaling.mean) / scaling.deviation
            product += block.T @ block
    if not product.trace() > 0:
        return np.empty((width, 0))
    size = len(product)
    values, vectors = eigh(product, subset_by_index=[max(0, size - limit), size - 1])
    vectors = vectors[:, values > 1e-9 * values[-1]]
    directions: Floats = standard.T @ vectors if count < width else vectors
    directions /= np.linalg.norm(directions, axis=0)
    return directions


@dataclass(frozen=True)
class Scaled:
    """Features that are standardised as ``float32`` when they are indexed.

    Args:
        features: Shape (n, width), unchanged.
        scaling: Mean and deviation, usually of the training features.
    """

    features: Features
    scaling: Scaling

    def __getitem__(self, rows: Any) -> Features:
        scaled: Floats = (self.features[rows] - self.scaling.mean) / self.scaling.deviation
        return scaled.astype(np.float32)
