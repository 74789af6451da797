"""Blur, judged within the set: X-rays and other scans are soft as a whole, and none of them is blurred."""

import numpy as np
import numpy.typing as npt

_BEYOND = 2.5
"""Standard deviations below the median from which on an image is less sharp than the set: 0.6 % of a normal
distribution. The absolute limit holds besides, so a strict one would only hide blurred images."""

_LEAST = 0.4
"""The smallest standard deviation that is believed: where all are equally sharp, at most a third of the median is."""

_NORMAL = 1.4826
"""The standard deviation of a normal distribution whose MAD is 1."""


def blur_limit(sharpness: npt.NDArray[np.float64], least: float) -> float:
    """Return the sharpness below which an image of a set is blurred.

    That is ``validate.blurred.min_sharpness``, or less where the set is soft: an image is blurred only if it is also
    far less sharp than the others. On a logarithmic scale, since sharpness differs by factors; by median and MAD, which
    hold while fewer than half of the images are blurred.

    >>> blur_limit(np.array([400.0, 500, 600, 3]), least=10.0)
    10.0
    >>> blur_limit(np.array([9.0, 12, 15, 18, 1.5]), least=10.0)
    3.8

    Args:
        sharpness: Of all readable images; see :func:`pixmill.images.measures.sharpness`.
        least: ``validate.blurred.min_sharpness``.
    """
    if not len(sharpness):
        return least
    values = np.log1p(sharpness)
    middle = np.median(values)
    deviation = max(_LEAST, _NORMAL * float(np.median(np.abs(values - middle))))
    # Rounded, so that no last bit of a logarithm decides.
    return min(least, round(max(0.0, float(np.expm1(middle - _BEYOND * deviation))), 1))
