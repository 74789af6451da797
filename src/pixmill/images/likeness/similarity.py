"""Similarity: the highest correlation of small greys over slight crops and exposures.

The greys are box-filtered from the decoded images and compared at 32 x 32. A view simulates a
slight edit of an image: a crop by 3 or 6 % in one or both directions, from either or both sides, or
brightening with clipped lights. The similarity of two images is the highest normalised correlation
of a view of one with the other, unchanged image.

Views are integer greys, 0 to 255, and all sums are of integers that floats represent exactly, so
similarities are the same on every CPU.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from pixmill.images.likeness.hashing import SIDE, Greys

Floats = npt.NDArray[np.float32]

_CROPS = (0.03, 0.06)
"""Shares of width or height that a crop removes.

Correlations fall little between them, so 0.99 finds up to 6 %.
"""

_OFFSETS = (0.0, 0.5, 1.0)
"""Share of the removed part that precedes the window."""

_WINDOWS = 1 + len(_OFFSETS)
"""Windows per direction: the whole, and one per offset."""

EXPOSURES = (1.05, 1.1, 1.2)
"""Factors of brightening.

Correlation ignores gain and offset, but not lights that clip at white.
"""

VIEWS = 1 + len(_CROPS) * (_WINDOWS**2 - 1) + len(EXPOSURES)
"""Number of views of an image, the first of which is the image itself.

Twice as many with mirror images.
"""

_MIN_DEVIATION = 1
"""Minimum standard deviation, in levels of 255.

Below, greys are flat and correlations would be due to rounding.
"""

_STEPS = 256
"""A window's weights are multiples of 1/256."""

_FRACTIONS = 8
"""Between the two directions of a window, values are rounded to eighths of a level.

With 8 bits of a level, 8 of the
weights and 5 of their sum, or 11 with the fraction, 8 and 5, no sum exceeds the 24 bits of a
``float32``.
"""


def views(greys: Greys, *, mirror: bool = False) -> Greys:
    """Return the views of each image.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        mirror: Append the views of the mirror image.

    Returns:
        ``uint8`` of shape (n, :data:`VIEWS`, 32, 32), or twice as many.
    """
    count = len(greys)
    seen = np.empty((count, (1 + mirror) * VIEWS, SIDE, SIDE), np.uint8)
    seen[:, 0] = greys
    across, down = _windows()
    narrow = greys.astype(np.float32).reshape(count * SIDE, SIDE) @ across
    narrow *= _FRACTIONS
    np.rint(narrow, out=narrow)
    crops = narrow.reshape(count, SIDE, len(_CROPS), _WINDOWS * SIDE)
    for number in range(len(_CROPS)):
        small = np.matmul(down[number], crops[:, :, number])
        np.rint(small, out=small)
        np.clip(small, 0, 255, out=small)
        cut = small.reshape(count, _WINDOWS, SIDE, _WINDOWS, SIDE).swapaxes(2, 3).astype(np.uint8)
        first = 1 + number * (_WINDOWS**2 - 1)
        seen[:, first : first + _WINDOWS**2 - 1] = cut.reshape(count, _WINDOWS**2, SIDE, SIDE)[
            :, 1:
        ]
    for number, lights in enumerate(_LIGHTS, start=VIEWS - len(EXPOSURES)):
        seen[:, number] = lights[greys]
    if mirror:
        seen[:, VIEWS:] = seen[:, :VIEWS, :, ::-1]
    return seen


class Compared:
    """Images prepared for :func:`correlations`.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Attributes:
        values: ``float32`` of shape (n, 1024): greys minus 128. A sum of 1,024 products of two such
            values is at most 2**24, so it is exact.
        totals: ``float64`` of shape (n,): sums of the values.
        spreads: ``float64`` of shape (n,): variances times 1024**2.
        flat: ``bool`` of shape (n,): too flat to be compared.
    """

    def __init__(self, greys: Greys) -> None:
        self.values = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
        self.values -= np.float32(128)
        self.totals = self.values.sum(axis=1).astype(np.float64)
        squares = np.einsum("ij,ij->i", self.values, self.values).astype(np.float64)
        self.spreads = SIDE**2 * squares - self.totals**2
        self.flat: npt.NDArray[np.bool_] = self.spreads < (_MIN_DEVIATION * SIDE**2) ** 2


def correlations(some: Compared, others: Compared) -> npt.NDArray[np.float64]:
    """Return the correlation of each image with each of the others.

    Returns:
        ``float64`` of shape (m, n), -1 to 1, to four decimals; 0 if either is flat.
    """
    products = (some.values @ others.values.T).astype(np.float64)
    together = SIDE**2 * products - np.outer(some.totals, others.totals)
    flat = some.flat[:, None] | others.flat
    spread = np.sqrt(np.where(flat, 1.0, np.outer(some.spreads, others.spreads)))
    return np.where(flat, 0.0, (together / spread).round(4))


_LIGHTS = [
    np.minimum(np.rint(np.arange(256) * round(100 * factor) / 100), 255).astype(np.uint8)
    for factor in EXPOSURES
]


@cache
def _windows() -> tuple[Floats, Floats]:
    """Return the windows of all crops, the whole first: across side by side, down stacked.

    Returns:
        ``float32`` of shape (32, crops * windows * 32), and of shape (crops, windows * 32, 32),
        divided by 8 for the eighths of the first.
    """
    down = np.stack([np.concatenate(_windows_of(crop)) for crop in _CROPS])
    across = np.concatenate(list(down)).T
    return np.ascontiguousarray(across), down / np.float32(_FRACTIONS)


def _windows_of(crop: float) -> list[Floats]:
    kept = SIDE * (1 - crop)
    starts = [offset * (SIDE - kept) for offset in _OFFSETS]
    return [_window(0, SIDE), *(_window(start, start + kept) for start in starts)]


def _window(start: float, stop: float) -> Floats:
    """Return the matrix from 32 values to the means over 32 equal cells of a window.

    The values are means over cells, so their running sums are known at the cells' bounds; a natural
    cubic spline through the sums interpolates them at the window's bounds. Unlike interpolation
    between the values this does not blur, which would miss a twentieth of the crops. Source: L.
    Boneva, D. Kendall and I. Stefanov, "Spline transformations", Journal of the Royal Statistical
    Society B 33, 1971 (the histospline).
    """
    from scipy.interpolate import CubicSpline

    sums = CubicSpline(np.arange(SIDE + 1), np.tri(SIDE + 1, SIDE, -1), bc_type="natural")
    spline = sums(np.linspace(start, stop, SIDE + 1))
    # Rounded twice, so a rounding error does not decide about a weight half-way between two steps.
    steps = np.rint((np.diff(spline, axis=0) * SIDE / (stop - start) * _STEPS).round(6))
    steps[np.arange(SIDE), steps.argmax(axis=1)] += _STEPS - steps.sum(axis=1)
    window: Floats = (steps / _STEPS).astype(np.float32)
    return window
