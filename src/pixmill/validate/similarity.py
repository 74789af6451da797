"""How alike two pictures are: the best correlation of their small greys over slight crops and exposures.

The greys are 32 x 32 and box-filtered straight from the decoded pictures. A view is one picture as it would look
after a slight edit: cropped by 3 or 6 % at nine places, or brightened until its lights clip. The similarity of two
pictures is the highest normalised correlation of a view of one with the other as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixmill.validate.greys import SIDE

__all__ = ["EXPOSURES", "VIEWS", "correlations", "is_flat", "unit_vectors", "views"]

Floats = npt.NDArray[np.float32]

_CROPS = (0.0, 0.03, 0.06)
"""Shares of width and height that a crop cuts off. Between them a correlation falls little: 0.99 finds up to 6 %."""

_PLACES = (0.0, 0.5, 1.0)
"""Where the cut falls, from all of it before the window to all of it behind; in both directions nine places."""

EXPOSURES = (1.05, 1.1, 1.2)
"""Factors of brightening. Lights clip at white, which a correlation alone, blind to gain and offset, does not undo."""

VIEWS = 1 + (len(_CROPS) - 1) * len(_PLACES) ** 2 + len(EXPOSURES)
"""How many views a picture has; the first is the picture as it is."""

_LEAST_DEVIATION = 1.0
"""Greys that deviate less from their mean, in levels of 255, are flat: their correlation would be one of rounding."""


def is_flat(greys: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell for each grey whether it is too flat to be compared.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
    """
    values = greys.reshape(len(greys), SIDE * SIDE)
    total = values.sum(axis=1, dtype=np.int64)
    squares = np.einsum("ij,ij->i", values, values, dtype=np.int64)
    flat: npt.NDArray[np.bool_] = squares * SIDE**2 - total**2 < (_LEAST_DEVIATION * SIDE**2) ** 2
    return flat


def unit_vectors(greys: npt.NDArray[np.uint8] | Floats) -> Floats:
    """Return greys without their mean and of length one, so that a dot product is a correlation.

    Args:
        greys: Of shape (..., 32, 32).

    Returns:
        ``float32`` of shape (..., 1024); all zeros for a flat picture, which so correlates with none.
    """
    vectors = greys.reshape(*greys.shape[:-2], SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    flat = length < _LEAST_DEVIATION * SIDE
    return np.where(flat, np.float32(0), vectors / np.where(flat, 1, length)).astype(np.float32)


def correlations(seen: Floats, vectors: Floats) -> npt.NDArray[np.float64]:
    """Return the correlation of each of some unit vectors with each of others.

    Args:
        seen: Of shape (m, 1024).
        vectors: Of shape (n, 1024).

    Returns:
        Of shape (m, n), -1 to 1.
    """
    # Not a matrix product: BLAS would start threads for it, which on a busy machine wait for each other ten times as
    # long as they compute.
    products: npt.NDArray[np.float32] = np.einsum("ik,jk->ij", seen, vectors)
    return products.astype(np.float64)


def views(greys: npt.NDArray[np.uint8]) -> Floats:
    """Return each picture's views as unit vectors.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Returns:
        ``float32`` of shape (n, :data:`VIEWS`, 1024).
    """
    plain = greys.astype(np.float32)
    cropped = [
        np.matmul(np.matmul(down, plain), across.T) for windows in _WINDOWS for down in windows for across in windows
    ]
    brightened = [np.minimum(plain * np.float32(factor), np.float32(255)) for factor in EXPOSURES]
    return unit_vectors(np.stack([*cropped, *brightened], axis=1))


def _window(start: float, stop: float) -> Floats:
    """Return the matrix that takes 32 values to the means over 32 equal cells of the window from start to stop.

    The values are means over cells themselves, so their running sums are known at the cells' bounds; a natural cubic
    spline through the sums gives them at the window's bounds. Unlike interpolation between the values it does not
    blur, which would cost a twentieth of the crops. Source: L. Boneva, D. Kendall and I. Stefanov, "Spline
    transformations", Journal of the Royal Statistical Society B 33, 1971 (the histospline).
    """
    sums = np.tri(SIDE + 1, SIDE, -1)
    bends = np.zeros((SIDE + 1, SIDE))  # the spline's second derivatives at the bounds, none at both ends
    tridiagonal = 4 * np.eye(SIDE - 1) + np.eye(SIDE - 1, k=1) + np.eye(SIDE - 1, k=-1)
    bends[1:-1] = np.linalg.solve(tridiagonal, 6 * np.diff(np.eye(SIDE), axis=0))
    bounds = np.linspace(start, stop, SIDE + 1)
    cell = np.clip(np.floor(bounds).astype(int), 0, SIDE - 1)
    after = (bounds - cell)[:, None]
    before = 1 - after
    spline = (
        before * sums[cell]
        + after * sums[cell + 1]
        + ((before**3 - before) * bends[cell] + (after**3 - after) * bends[cell + 1]) / 6
    )
    window: Floats = (np.diff(spline, axis=0) * SIDE / (stop - start)).astype(np.float32)
    return window


def _windows(crop: float) -> list[Floats]:
    side = SIDE * (1 - crop)
    starts = [place * (SIDE - side) for place in _PLACES] if crop else [0.0]
    return [_window(start, start + side) for start in starts]


_WINDOWS = [_windows(crop) for crop in _CROPS]
