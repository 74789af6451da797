"""Read, decode and measure one image."""

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from blake3 import blake3
from PIL import Image

from pixmill.images.decode import decode, unused_pages
from pixmill.images.depth import PROBABILITIES, Window
from pixmill.images.likeness.hashing import Greys, small_grey
from pixmill.images.verified_reading import Source, read_verified

MEASURED_SIDE = 160
"""Minimum longer side in pixels of the reduced image that is measured; the maximum is 319."""

BORDER_LEVELS = 16
"""Maximum luma range of a near-uniform border, such as a bar or a compressed white background."""

_POWERS = np.arange(256)[:, None] ** np.arange(3)
_STRIP_LENGTH = 4096
"""Rows that are filtered at a time; only very long images have several strips."""

_PART_PIXELS = 4 << 20
"""Pixels digested at a time."""


class Measures(NamedTuple):
    """Measurements of one decoded image.

    Args:
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        format: Format by content.
        mode: The file's mode in Pillow's terms.
        pixels: Digest of the decoded pixels, see :func:`pixmill.images.measures.pixel_digest`.
        brightness: Mean luma, see :class:`pixmill.images.measures.LumaStatistics`.
        contrast: Standard deviation of luma, likewise.
        sharpness: See :func:`pixmill.images.measures.sharpness`.
        entropy: See :class:`pixmill.images.measures.LumaStatistics`.
        border: See :func:`pixmill.images.measures.border`.
        grey: Result of :func:`pixmill.images.likeness.hashing.small_grey`.
        unused: Result of :func:`pixmill.images.decode.unused_pages`.
        values: See :func:`pixmill.images.depth.measure_values`; zeros for an image of 8 bits.
        window: Values that became black and white; zeros for an image of 8 bits.
    """

    width: int
    height: int
    format: str
    mode: str
    pixels: str
    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    border: float
    grey: Greys
    unused: int
    values: tuple[float, ...]
    window: Window


def measure(
    source: Source, name: str, *, max_pixels: int, window: Window | None = None
) -> Measures:
    """Measure an image.

    Args:
        source: Image file.
        name: Id of the image: the expected SHA-256.
        max_pixels: Maximum pixels to decode.
        window: See :func:`pixmill.images.decode`.

    Raises:
        UndecodableError: The image cannot be decoded.
    """
    content = read_verified(source, name)
    decoded = decode(content, max_pixels=max_pixels, window=window)
    image = decoded.image
    # First, while the pixels are still in the CPU's cache.
    pixels = pixel_digest(image)
    factor = scale(image.size)
    luma = (image.reduce(factor) if factor > 1 else image).convert("L")
    values = _memory(luma).reshape(luma.height, luma.width)
    grey = small_grey(values, factor=factor, size=image.size)
    return Measures(
        width=image.width,
        height=image.height,
        format=decoded.format,
        mode=decoded.mode,
        pixels=pixels,
        **luma_statistics(luma)._asdict(),
        sharpness=sharpness(values),
        border=border(values),
        grey=grey,
        unused=unused_pages(content),
        values=decoded.values or (0,) * len(PROBABILITIES),
        window=decoded.window or (0, 0),
    )


class LumaStatistics(NamedTuple):
    """Statistics of an image's luma histogram.

    Args:
        brightness: Mean, 0 to 255.
        contrast: Standard deviation, 0 to 127.5.
        entropy: Shannon entropy in bits, to four decimals: 0 for a single grey, 8 at most.
    """

    brightness: float
    contrast: float
    entropy: float


def scale(size: tuple[int, int]) -> int:
    """Return the factor by which an image is reduced before it is measured, 1 for a small one.

    At full size, a large photograph that is crisp at training size measures as blurred, noise as
    sharp, and a blank noisy wall as high in entropy. Therefore each square of k x k pixels is
    replaced by its rounded mean, with the largest k that leaves at least :data:`MEASURED_SIDE`
    pixels on the longer side and three on the shorter.

    Args:
        size: Width and height of the image.
    """
    shorter, longer = sorted(size)
    return max(1, min(longer // MEASURED_SIDE, (shorter - 1) // 2))


def luma_statistics(luma: Image.Image) -> LumaStatistics:
    """Return the statistics of the luma histogram.

    Args:
        luma: Image of mode ``L``.
    """
    counts = np.array(luma.histogram(), np.int64)
    size, total, squares = (counts @ _POWERS).tolist()
    used = counts[counts > 0]
    entropy = math.log2(size) - float(used @ np.log2(used)) / size
    # The maximum avoids minus zero and rounding errors below zero.
    return LumaStatistics(
        total / size, _variance(size, total, squares) ** 0.5, max(0.0, round(entropy, 4))
    )


def sharpness(luma: Greys) -> float:
    """Return the variance of the Laplacian (4 neighbours, no edge), which is low if blurred.

    Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative
    study", ICPR 2000.

    Args:
        luma: ``uint8`` of shape (height, width).

    Returns:
        0 or more; 0 if a side has fewer than 3 pixels.
    """
    if min(luma.shape) < 3:
        return 0.0
    values = luma if luma.shape[1] <= _STRIP_LENGTH else luma.T
    width = values.shape[1]
    count = total = squares = 0
    for start in range(0, len(values) - 2, _STRIP_LENGTH):
        # In one row, which is faster; the first and last of each row have wrong neighbours.
        strip = values[start : start + _STRIP_LENGTH + 2].astype(np.int16).ravel()
        edges = strip[: -2 * width] + strip[2 * width :]
        edges += strip[width - 1 : -width - 1]
        edges += strip[width + 1 : 1 - width]
        edges -= 4 * strip[width:-width]
        inner = edges.reshape(-1, width)[:, 1:-1].astype(np.float64)
        count += inner.size
        # Exact, since all are integers below 2^53; BLAS would use several threads.
        total += int(inner.sum())
        squares += int(np.einsum("ij,ij->", inner, inner))
    return _variance(count, total, squares)


def border(luma: Greys) -> float:
    """Return the share of the area that is near-uniform border: bars, padding, plain background.

    On each side of the image, the border consists of all rows (or columns) that together span at
    most :data:`BORDER_LEVELS` levels of luma. The sides are independent. Columns are examined
    between the top and bottom bars; if there are bars on the left or right, rows and columns are
    examined once more between them.

    Args:
        luma: ``uint8`` of shape (height, width).

    Returns:
        0 to 1; 1 if the whole image is near-uniform.
    """
    if min(map(np.ptp, (luma[0], luma[-1], luma[:, 0], luma[:, -1]))) > BORDER_LEVELS:
        return 0.0
    between = _between_bars(luma)
    rest = _between_bars(between.T).T
    if rest.size < between.size:
        rest = _between_bars(_between_bars(rest).T).T
    return (luma.size - rest.size) / luma.size


def _between_bars(values: Greys) -> Greys:
    inner = values[_bar(values) :]
    return inner[: len(inner) - _bar(inner[::-1])]


def _bar(values: Greys) -> int:
    """Return the number of leading rows that together span at most :data:`BORDER_LEVELS` levels."""
    low = 255
    high = 0
    rows = 0
    step = 1
    while rows < len(values) and values.size:
        block = values[rows : rows + step]
        lows = np.minimum(np.minimum.accumulate(block.min(axis=1)), low)
        highs = np.maximum(np.maximum.accumulate(block.max(axis=1)), high)
        beyond = highs - lows > BORDER_LEVELS
        if beyond[-1]:
            return rows + int(beyond.argmax())
        low = int(lows[-1])
        high = int(highs[-1])
        rows += len(block)
        # Growing blocks: cheap without a border, and at most four times the rows of a border are
        # examined.
        step *= 4
    return len(values)


def _variance(count: int, total: int, squares: int) -> float:
    """Return the variance from integer sums."""
    return (count * squares - total * total) / (count * count)


def pixel_digest(image: Image.Image) -> str:
    """Return the BLAKE3 digest of an image's pixels, row by row, as 64 hexadecimal digits.

    Each pixel is digested as four bytes, red, green, blue and 255, which is Pillow's memory layout.

    Args:
        image: Image of mode ``RGB`` or convertible to it.
    """
    digest = blake3()
    rows = max(1, _PART_PIXELS // image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        part = image if whole else image.crop((0, top, image.width, min(image.height, top + rows)))
        part = part if part.mode == "RGB" else part.convert("RGB")
        memory = _memory(part)
        # Decoders set the fourth byte to 255, but this is not guaranteed.
        if np.bitwise_and.reduce(memory.view("<u4")) >> 24 < 255:
            memory = _memory(part.convert("RGBX"))
        digest.update(memory.data)
    return digest.hexdigest()


def _memory(image: Image.Image) -> Greys:
    """Return the bytes of an image of mode ``L``, or of ``RGB`` with a fourth byte per pixel."""
    try:
        memory = pa.array(image).buffers()[-1]
    except ValueError:  # in several blocks
        memory = (image if image.mode == "L" else image.convert("RGBX")).tobytes()
    return np.frombuffer(memory, np.uint8)
