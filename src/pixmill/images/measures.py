"""Read, decode and measure one image, or report the reason why not."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from blake3 import blake3
from PIL import Image

from pixmill.images import decode, read_verified
from pixmill.images.likeness.hashing import perceptual_hash, small_grey
from pixmill.images.verified_reading import Source


class Measures(NamedTuple):
    """The measurements of one decoded image.

    Args:
        width: In pixels, upright.
        height: In pixels, upright.
        format: The format by content.
        mode: The file's mode in Pillow's terms.
        pixels: The digest of the decoded pixels, see :func:`pixmill.images.measures.pixel_digest`.
        phash: The perceptual hash, see :mod:`pixmill.images.likeness.hashing`.
        brightness: See :class:`pixmill.images.measures.LumaStatistics`.
        contrast: The same.
        sharpness: See :func:`pixmill.images.measures.sharpness`.
        entropy: See :class:`pixmill.images.measures.LumaStatistics`.
        border: See :func:`pixmill.images.measures.border`.
        grey: See :func:`pixmill.images.likeness.hashing.small_grey`; 1,024 bytes, row by row.
    """

    width: int
    height: int
    format: str
    mode: str
    pixels: str
    phash: int
    brightness: float
    contrast: float
    sharpness: float
    entropy: float
    border: float
    grey: bytes


def measure(source: Source, name: str, *, max_pixels: int) -> Measures:
    """Measure an image.

    Args:
        source: The file.
        name: The image's id: the sha256 that its bytes must have.
        max_pixels: Maximum pixels to decode.

    Raises:
        UndecodableError: It cannot be measured; its ``reason`` says why.
    """
    decoded = decode(read_verified(source, name), max_pixels=max_pixels)
    image = decoded.image
    # First, while the pixels are still in the processor's cache.
    pixels = pixel_digest(image)
    factor = scale(image.size)
    luma = (image.reduce(factor) if factor > 1 else image).convert("L")
    values = np.asarray(luma)
    grey = small_grey(values, factor=factor, size=image.size)
    lit = light(luma)
    return Measures(
        width=image.width,
        height=image.height,
        format=decoded.format,
        mode=decoded.mode,
        pixels=pixels,
        phash=perceptual_hash(grey),
        brightness=lit.brightness,
        contrast=lit.contrast,
        sharpness=sharpness(values),
        entropy=lit.entropy,
        border=border(values),
        grey=grey.tobytes(),
    )


MEASURED_SIDE = 160
"""Minimum longer side, in pixels, to which greys are reduced before they are measured; the maximum is 319."""

BORDER_LEVELS = 16
"""Luma range of a near-uniform border: what compression makes of a plain bar or a white background."""

_POWERS = np.arange(256)[:, None] ** np.arange(3)
_STRIP = 4096
"""Pixels of the longer side that are filtered at a time: only very long images have more than one such strip."""


class LumaStatistics(NamedTuple):
    """The statistics of an image's luma histogram.

    Args:
        brightness: The mean, 0 to 255.
        contrast: The standard deviation, 0 to 127.5.
        entropy: Shannon's entropy in bits, to four decimals: 0 where there is but one grey, 8 at most.
    """

    brightness: float
    contrast: float
    entropy: float


def scale(size: tuple[int, int]) -> int:
    """Return the factor that greys of an image are reduced by before they are measured, 1 for a small one.

    At full size a large photograph that is crisp at the size of a training image looks blurred, noise looks sharp,
    and the noise of a blank wall looks rich. So each square of k x k pixels becomes its rounded mean, with the largest
    k that leaves :data:`MEASURED_SIDE` pixels or more on the longer side; and three on the shorter, where they were.

    Args:
        size: Width and height of the image.
    """
    shorter, longer = sorted(size)
    return max(1, min(longer // MEASURED_SIDE, (shorter - 1) // 2))


def light(luma: Image.Image) -> LumaStatistics:
    """Measure the histogram of greys.

    Args:
        luma: An image of mode ``L``.
    """
    counts = np.array(luma.histogram(), np.int64)
    size, total, squares = (counts @ _POWERS).tolist()
    used = counts[counts > 0]
    entropy = math.log2(size) - float(used @ np.log2(used)) / size
    # The maximum turns minus zero, and what rounding leaves below zero, to zero.
    return LumaStatistics(total / size, _variance(size, total, squares) ** 0.5, max(0.0, round(entropy, 4)))


def sharpness(luma: npt.NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of greys (4 neighbours, without the edge): low where they are blurred.

    Source: J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        luma: ``uint8`` of shape (height, width), the shorter side below 1,000.

    Returns:
        0 or more; 0 where a side has fewer than 3 pixels, so that there is no Laplacian.
    """
    if min(luma.shape) < 3:
        return 0.0
    values = luma if luma.shape[0] >= luma.shape[1] else luma.T
    count = total = squares = 0
    for start in range(0, len(values) - 2, _STRIP):
        strip = values[start : start + _STRIP + 2].astype(np.int16)
        edges = strip[:-2, 1:-1] + strip[2:, 1:-1]
        edges += strip[1:-1, :-2]
        edges += strip[1:-1, 2:]
        edges -= 4 * strip[1:-1, 1:-1]
        wide = edges.astype(np.int32)
        count += wide.size
        total += int(wide.sum(dtype=np.int64))
        # A row is the shorter side, so that its sum of squares fits into 32 bits.
        squares += int(np.einsum("ij,ij->i", wide, wide).sum(dtype=np.int64))
    return _variance(count, total, squares)


def border(luma: npt.NDArray[np.uint8]) -> float:
    """Return the share of an image's area that a near-uniform border takes, such as bars, padding or a plain ground.

    At each side of the image the border is as many whole rows (or columns) as together span at most
    :data:`BORDER_LEVELS` levels of luma. The sides may differ from each other. Columns are looked at between the bars
    above and below; where there are bars at the left or right, rows and columns are looked at once more between them.

    Args:
        luma: ``uint8`` of shape (height, width).

    Returns:
        0 to 1; 1 where the whole image is near-uniform.
    """
    # Most images have no border; nor has one whose outermost rows and columns are none.
    if np.ptp(luma[:: len(luma) - 1 or 1], axis=1).min() > BORDER_LEVELS and (
        np.ptp(luma[:, :: luma.shape[1] - 1 or 1], axis=0).min() > BORDER_LEVELS
    ):
        return 0.0
    between = _between_bars(luma)
    rest = _between_bars(between.T).T
    if rest.size < between.size:
        rest = _between_bars(_between_bars(rest).T).T
    return (luma.size - rest.size) / luma.size


def _between_bars(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    inner = values[_bar(values) :]
    return inner[: len(inner) - _bar(inner[::-1])]


def _bar(values: npt.NDArray[np.uint8]) -> int:
    """Return how many rows from the first on together span at most the levels of a border."""
    low, high, rows, step = 255, 0, 0, 1
    while rows < len(values) and values.size:
        block = values[rows : rows + step]
        lows = np.minimum(np.minimum.accumulate(block.min(axis=1)), low)
        highs = np.maximum(np.maximum.accumulate(block.max(axis=1)), high)
        beyond = highs - lows > BORDER_LEVELS
        if beyond[-1]:
            return rows + int(beyond.argmax())
        low, high = int(lows[-1]), int(highs[-1])
        rows += len(block)
        # Most images have no border; of one that there is, no more than three times as much is looked at.
        step *= 4
    return len(values)


def _variance(count: int, total: int, squares: int) -> float:
    """Return the variance from whole-number sums."""
    return (count * squares - total * total) / (count * count)


_PART = 4 << 20
"""Pixels that are digested at a time."""


def pixel_digest(image: Image.Image) -> str:
    """Return the BLAKE3 digest of an image's pixels, row by row, as 64 hexadecimal digits.

    A pixel is digested as four bytes: red, green, blue and 255, which is how Pillow holds it.

    Args:
        image: Of mode ``RGB``, or of one that can be converted.
    """
    digest = blake3()
    rows = max(1, _PART // image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        part = image if whole else image.crop((0, top, image.width, min(image.height, top + rows)))
        part = part if part.mode == "RGB" else part.convert("RGB")
        digest.update(_in_memory(part) or part.convert("RGBX").tobytes())
    return digest.hexdigest()


def _in_memory(image: Image.Image) -> pa.Buffer | None:
    """Return an RGB image's own memory, uncopied, where that is what is digested; else ``None``."""
    try:
        buffer = pa.array(image).buffers()[-1]
    except ValueError:  # in several blocks
        return None
    # The fourth bytes are not part of the image: decoders set them to 255, but nothing says that they must.
    filled = int(np.bitwise_and.reduce(np.frombuffer(buffer, "<u4"))) >> 24 == 255
    return buffer if filled else None
