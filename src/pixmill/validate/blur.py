"""Blur relative to the dataset, because all images of some datasets (such as X-rays) are soft."""

import numpy as np
import numpy.typing as npt

_MAX_DEVIATIONS = 2.5
"""Standard deviations below the median at which an image is less sharp than the others: 0.6 % of a normal distribution.
The absolute limit applies as well, so a stricter value would only hide blurred images."""

_MIN_DEVIATION = 0.4
"""Lower bound of the standard deviation, for datasets in which all images are equally sharp."""

_MAD_SCALE = 1.4826
"""Standard deviation of a normal distribution whose median absolute deviation (MAD) is 1."""


def blur_limit(sharpness: npt.NDArray[np.float64], min_sharpness: float) -> float:
    """Return the sharpness below which an image of a dataset is blurred.

    The limit is ``min_sharpness``, or less in a soft dataset: a blurred image must also be far less sharp than the
    others. It is computed from median and MAD (robust while fewer than half of the images are blurred) of the logarithm
    (sharpness differs by factors).

    >>> blur_limit(np.array([400.0, 500, 600, 3]), min_sharpness=10.0)
    10.0
    >>> blur_limit(np.array([9.0, 12, 15, 18, 1.5]), min_sharpness=10.0)
    3.8

    Args:
        sharpness: Sharpness of all readable images; see :func:`pixmill.images.measures.sharpness`.
        min_sharpness: ``validate.blurred.min_sharpness``.
    """
    if not len(sharpness):
        return min_sharpness
    values = np.log1p(sharpness)
    middle = np.median(values)
    deviation = max(_MIN_DEVIATION, _MAD_SCALE * float(np.median(np.abs(values - middle))))
    # Rounded, because logarithms differ in the last bit between processors.
    return min(min_sharpness, round(max(0.0, float(np.expm1(middle - _MAX_DEVIATIONS * deviation))), 1))
