"""Greys of more than 8 bits: which values become black and white."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixmill.core.files.writing import read_json
from pixmill.core.words import count

Window = tuple[float, ...]
"""Two values: that which becomes grey level 0, and the larger one that becomes 255.

Values outside are clipped.
"""

_TAIL = (0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
PROBABILITIES = (*_TAIL, 0.5, *(1 - probability for probability in reversed(_TAIL)))
"""Probabilities of the quantiles that summarize the values of an image; dense at both ends."""

WEIGHTS = np.diff([0, *(np.array(PROBABILITIES[1:]) + PROBABILITIES[:-1]) / 2, 1])
"""Share of an image's pixels that each quantile stands for."""

_CLIPPED = (0.005, 0.995)
"""Quantiles between which values are spread; as nnU-Net clips intensities (F.

Isensee et al., Nature Methods 2021).
"""

_MIN_SHARE = 0.5
"""Share of the range of whole bits that values must fill, to use at least 128 grey levels."""

_SAMPLE_PIXELS = 1 << 16
"""Approximate minimum of pixels whose quantiles are computed.

The minimum and the maximum are of all pixels.
"""

_STRIP_ROWS = 256
"""Rows processed at a time in images, to avoid large copies."""

WINDOW_FILE = "window.json"
"""File of the window in ``artifacts/validate``; missing if no image has more than 8 bits."""


def measure_values(image: Image.Image) -> tuple[float, ...] | None:
    """Return quantiles of the values of a grey image of more than 8 bits, at :data:`PROBABILITIES`.

    Returns:
        ``None`` for an image of 8 bits. Pillow reduces colours of 16 bits to 8 when it reads them.

    Raises:
        ValueError: Some pixels are not finite.
    """
    if not image.mode.startswith("I") and image.mode != "F":
        return None
    step = max(1, math.isqrt(image.width * image.height // _SAMPLE_PIXELS))
    ends = []
    sample = []
    for top, strip in strips(image):
        if not np.isfinite(strip).all():
            raise ValueError("pixels that are not finite")
        ends += [strip.min(), strip.max()]
        sample.append(strip[-top % step :: step, ::step].ravel())
    inner = np.quantile(np.concatenate(sample), PROBABILITIES[1:-1], method="inverted_cdf")
    return tuple(np.array([min(ends), *inner, max(ends)], np.float32).tolist())


def find_window(values: npt.ArrayLike) -> Window:
    """Return the window for images, such as 0 to 4,095.

    Full bit range if the values span at least half of it; else, such as for raw thermal images, the
    0.5 to 99.5 % quantiles, or all values if these are equal. White is 2^bits - 1, of 8 bits or
    more, or 1.0 for floats in [0, 1].

    >>> uniform = np.array(PROBABILITIES)
    >>> find_window([4_000 * uniform]), find_window([29_000 + 2_000 * uniform])
    ((0.0, 4095.0), (29010.0, 30990.0))

    Args:
        values: Results of :func:`measure_values`, shape (n, quantiles); each image counts the same.
    """
    levels = np.asarray(values, np.float64)
    weights = np.broadcast_to(WEIGHTS, levels.shape)
    ends = np.quantile(levels, _CLIPPED, weights=weights, method="inverted_cdf").tolist()
    # As JSON files keep them: whole numbers, or six significant digits.
    low, high = (value if value.is_integer() else float(f"{value:.6g}") for value in ends)
    least = float(levels.min())
    most = float(levels.max())
    white = 1.0 if most <= 1 else float((1 << max(8, math.ceil(most).bit_length())) - 1)
    if low >= 0 and high - low >= _MIN_SHARE * white:
        return 0.0, white
    return (
        (low, high) if low < high else (least, most) if least < most else (min(least, 0.0), white)
    )


def to_8_bits(image: Image.Image, window: Window) -> Image.Image:
    """Return a grey image of more than 8 bits in 8 bits.

    For windows of whole bits, the upper 8 of them.

    A transparent value becomes white.
    """
    low, high = window
    clear = image.info.get("transparency")
    grey = np.empty((image.height, image.width), np.uint8)
    for top, deep in strips(image):
        strip = np.clip((deep.astype(np.float64) - low) * 256 / (high - low), 0, 255)
        grey[top : top + len(strip)] = (
            strip if clear is None else np.where(deep == clear, 255, strip)
        )
    return Image.fromarray(grey)


def describe_window(n: int, window: Window) -> str:
    """Return a sentence without a full stop about n images of more than 8 bits."""
    return (
        f"values {window[0]:,.6g} to {window[1]:,.6g} of {count(n, 'image')} of more than 8 "
        "bits became 0 to 255"
    )


def read_window(folder: Path) -> Window | None:
    """Return the window that validate found; ``None`` if no image has more than 8 bits.

    Args:
        folder: ``artifacts/validate``.
    """
    path = folder / WINDOW_FILE
    return tuple(read_json(path, stage="validate")["window"]) if path.exists() else None


def strips(image: Image.Image) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield strips of an image with the index of their first row.

    Args:
        image: In any mode that NumPy has a type for.
    """
    for top in range(0, image.height, _STRIP_ROWS):
        yield (
            top,
            np.asarray(image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))),
        )
