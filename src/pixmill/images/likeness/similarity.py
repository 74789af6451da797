"""The similarity of two images: the best correlation of their small greys over slight crops and exposures.

The greys are box-filtered straight from the decoded images and compared at 32 x 32. A view is one image as it would
look after a slight edit: cropped by 3 or 6 % in one direction or both, from either side or from both, or brightened
until its lights clip. The similarity of two images is the highest normalised correlation of a view of one with the
other as it is.

Views are whole greys, 0 to 255, and all sums are of whole numbers that floating point holds exactly, in whatever order
it adds them: the same images have the same similarity on every processor.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from pixmill.images.likeness.hashing import SIDE

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]

_CROPS = (0.03, 0.06)
"""Shares of width or height that a crop cuts off. Between them a correlation falls little: 0.99 finds up to 6 %."""

_PLACES = (0.0, 0.5, 1.0)
"""Where the cut falls, from all of it before the window to all of it behind."""

_WINDOWS = 1 + len(_PLACES)
"""Windows of a direction: the whole, and one at each place."""

EXPOSURES = (1.05, 1.1, 1.2)
"""Factors of brightening. Lights clip at white, which a correlation alone, blind to gain and offset, does not undo."""

VIEWS = 1 + len(_CROPS) * (_WINDOWS**2 - 1) + len(EXPOSURES)
"""How many views an image has (twice as many with its mirror image's); the first is the image as it is."""

_LEAST_DEVIATION = 1
"""Greys that deviate less from their mean, in levels of 255, are flat: their correlation would be one of rounding."""

_STEPS = 256
"""A window's weights are whole 256ths."""

_FRACTIONS = 8
"""Between the two directions of a window, values are rounded to whole eighths of a level. 8 bits of a level, 8 of the
weights and 5 of their sum, or 11 with the fraction, 8 and 5: no sum exceeds the 24 bits of a ``float32``."""


def is_flat(greys: Images) -> npt.NDArray[np.bool_]:
    """Tell for each grey whether it is too flat to be compared.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
    """
    return Compared(greys).flat


def views(greys: Images, *, mirror: bool = False) -> Images:
    """Return each image's views.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        mirror: Whether the views of its mirror image follow.

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
        seen[:, first : first + _WINDOWS**2 - 1] = cut.reshape(count, _WINDOWS**2, SIDE, SIDE)[:, 1:]
    for number, lights in enumerate(_LIGHTS, start=VIEWS - len(EXPOSURES)):
        seen[:, number] = lights[greys]
    if mirror:
        seen[:, VIEWS:] = seen[:, :VIEWS, :, ::-1]
    return seen


class Compared:
    """Images made ready for :func:`correlations`.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).

    Attributes:
        values: ``float32`` of shape (n, 1024): their greys, less 128. A sum of 1,024 products of two such values is at
            most 2**24, so each is exact.
        totals: ``float64`` of shape (n,): the sums of those.
        spreads: ``float64`` of shape (n,): their variances times 1024**2.
        flat: Which are too flat to be compared.
    """

    def __init__(self, greys: Images) -> None:
        self.values = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
        self.values -= np.float32(128)
        self.totals = self.values.sum(axis=1).astype(np.float64)
        squares = np.einsum("ij,ij->i", self.values, self.values).astype(np.float64)
        self.spreads = SIDE**2 * squares - self.totals**2
        self.flat: npt.NDArray[np.bool_] = self.spreads < (_LEAST_DEVIATION * SIDE**2) ** 2


def correlations(some: Compared, others: Compared) -> npt.NDArray[np.float64]:
    """Return the correlation of each of some images with each of others.

    Returns:
        Of shape (m, n), -1 to 1, to four decimals; 0 where either is flat.
    """
    products = (some.values @ others.values.T).astype(np.float64)
    together = SIDE**2 * products - np.outer(some.totals, others.totals)
    flat = some.flat[:, None] | others.flat
    spread = np.sqrt(np.where(flat, 1.0, np.outer(some.spreads, others.spreads)))
    return np.where(flat, 0.0, (together / spread).round(4))


_LIGHTS = [
    np.minimum(np.rint(np.arange(256) * round(100 * factor) / 100), 255).astype(np.uint8) for factor in EXPOSURES
]


@cache
def _windows() -> tuple[Floats, Floats]:
    """Return the windows of all crops, the whole before each crop's: across side by side, and down one upon another.

    Returns:
        ``float32`` of shape (32, crops * windows * 32), and of shape (crops, windows * 32, 32), which undoes the
        eighths of the first.
    """
    down = np.stack([np.concatenate(_windows_of(crop)) for crop in _CROPS])
    across = np.concatenate(list(down)).T
    return np.ascontiguousarray(across), down / np.float32(_FRACTIONS)


def _windows_of(crop: float) -> list[Floats]:
    kept = SIDE * (1 - crop)
    starts = [place * (SIDE - kept) for place in _PLACES]
    return [_window(0, SIDE), *(_window(start, start + kept) for start in starts)]


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
    # Rounded twice, so that no last bit decides where a weight lies half-way between two steps.
    steps = np.rint((np.diff(spline, axis=0) * SIDE / (stop - start) * _STEPS).round(6))
    steps[np.arange(SIDE), steps.argmax(axis=1)] += _STEPS - steps.sum(axis=1)
    window: Floats = (steps / _STEPS).astype(np.float32)
    return window
