"""The difference between two models' accuracy on the same images, slice by slice, with an exact test over groups."""

import numpy as np
import numpy.typing as npt

from pixmill.metrics.limits import alike_at_least
from pixmill.metrics.significance import Difference, coin_chances


def sign_flip_test(nets: npt.ArrayLike) -> float:
    """Return the exact two-sided p-value of two models being equally good, from their difference on each group.

    Under the null hypothesis either model could have given the other's answers on a group, so that the sign of each
    difference is as likely turned as not. The p-value is the share of all turns whose sum is at least as far from zero
    as the observed one. Groups of one image give the p-value of McNemar's exact test.

    Sources: Fisher, "The Design of Experiments", 1935, section 21 (all turns of signs); Canay, Romano and Shaikh,
    "Randomization Tests Under an Approximate Symmetry Assumption", Econometrica 85, 2017 (signs of groups).

    Args:
        nets: By how many more images of a group the second model is right than the first, shape (groups,), integers.

    >>> round(sign_flip_test([1, 1, 1, 1, 1, 1, -1, -1]), 3), round(sign_flip_test([3, 2, -1]), 3)
    (0.289, 0.5)
    """
    values = np.asarray(nets, np.int64)
    sizes = np.abs(values)
    # By symmetry, half of the turns that are as far from zero have positive differences that add up to at most this.
    most = int(sizes.sum() - abs(values.sum())) // 2
    shares = np.ones(1)  # of the turns, by the sum of their positive differences
    for size, count in zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True):
        chances = coin_chances(int(count), int(min(count, most // size)))
        spread = np.zeros(size * len(chances) - size + 1)
        spread[:: int(size)] = chances
        shares = np.convolve(shares, spread)[: most + 1]
    return min(1.0, 2 * float(shares.sum()))


def accuracy_differences(
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.integer],
    slice_of: npt.NDArray[np.integer],
    *,
    confidence: float,
) -> tuple[npt.NDArray[np.int64], list[Difference]]:
    """Return the difference between two models' accuracy on each slice, with :func:`sign_flip_test` over its groups.

    The limits are Agresti and Min's: those of a normal distribution once half an image was added to each of the four
    outcomes of a pair. Here groups take the place of images: the variance is that of a ratio of sums over groups, what
    is added has their mean size, and the quantile is Student's. Where the models differ on too few groups for any test
    to be significant (below 6 at 95 % confidence), the limits hold at least ± the share of groups that may differ
    although none was seen to, as in :func:`pixmill.metrics.significance.paired_differences`.

    Sources: Agresti and Min, "Simple Improved Confidence Intervals for Comparing Matched Proportions", Statistics in
    Medicine 24, 2005; Cochran, "Sampling Techniques", 1977, chapter 6 (the variance of a ratio).

    Args:
        first: Whether the first model is right on each image, shape (images,).
        second: The same for the second.
        groups: Each image's group as a number from 0; near-duplicates share one.
        slice_of: Each image's slice as a number from 0, -1 where it is in none; there is one, and each has an image.
        confidence: Confidence level, > 0 and < 1, such as 0.95.

    Returns:
        The number of groups in each slice, and the differences in accuracy.

    >>> import numpy as np
    >>> first, half = np.ones(80, bool), np.arange(80) % 2
    >>> groups, (_, found) = accuracy_differences(first, half < 1, np.arange(80), half, confidence=0.95)
    >>> groups.tolist(), found.second, found.difference, found.p < 0.001
    ([40, 40], 0.0, -1.0, True)
    """
    from scipy.special import stdtrit

    inside = slice_of >= 0
    right = [np.asarray(one, np.int64)[inside] for one in (first, second)]
    most = int(groups.max(initial=0)) + 1
    # One row for each group of each slice; those of a slice lie together.
    rows, row_of = np.unique(slice_of[inside].astype(np.int64) * most + groups[inside], return_inverse=True)
    owner = rows // most
    sizes = np.bincount(row_of).astype(np.float64)
    nets = np.bincount(row_of, weights=right[1] - right[0])
    count = np.bincount(owner)
    images, squares = np.bincount(owner, sizes), np.bincount(owner, sizes**2)
    net, cross, spread = (np.bincount(owner, column) for column in (nets, nets * sizes, nets**2))
    hits = [np.bincount(slice_of[inside], one) / images for one in right]

    added = images / count
    centre = net / (images + 2 * added)
    variance = spread - 2 * centre * cross + centre**2 * squares + added**2 * (1 + 2 * centre**2)
    width = stdtrit(np.maximum(count - 1, 1), (1 + confidence) / 2) * np.sqrt(variance) / (images + 2 * added)
    found = []
    for place, part in enumerate(np.split(nets, np.cumsum(count)[:-1])):
        low, high = float(centre[place] - width[place]), float(centre[place] + width[place])
        if 2.0 ** (1 - np.count_nonzero(part)) > 1 - confidence:
            reach = 1 - alike_at_least(len(part), confidence)
            low, high = min(low, -reach), max(high, reach)
        gap = float(net[place] / images[place])
        limits = max(-1.0, min(low, gap)), min(1.0, max(high, gap))
        values = float(hits[0][place]), float(hits[1][place])
        found.append(Difference(*values, gap, *limits, sign_flip_test(part)))
    return count, found
