"""Difference between the accuracies of two models by slice, with an exact test over groups."""

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Bools, Ints, NDArray
from pixmill.metrics.limits import unanimous_limit
from pixmill.metrics.significance import Difference, head_probabilities


def sign_flip_test(nets: ArrayLike) -> float:
    """Return the exact two-sided p-value of the hypothesis that two models are equally good.

    Under this hypothesis, the models are exchangeable on each group, so both signs of a difference
    are equally likely. The p-value is the share of all sign assignments whose sum is at least as
    far from zero as the observed sum. For groups of one image, it equals the p-value of McNemar's
    exact test.

    Sources: Fisher, "The Design of Experiments", 1935, section 21 (all assignments of signs);
    Canay, Romano and Shaikh, "Randomization Tests Under an Approximate Symmetry Assumption",
    Econometrica 85, 2017 (signs of groups).

    Args:
        nets: Correct images of the second model minus those of the first in each group, integers of
            shape (groups,).

    >>> round(sign_flip_test([1, 1, 1, 1, 1, 1, -1, -1]), 3), round(sign_flip_test([3, 2, -1]), 3)
    (0.289, 0.5)
    """
    values = np.asarray(nets, np.int64)
    sizes = np.abs(values)
    # By symmetry, half of the assignments as far from zero have positive differences with at most
    # this sum.
    limit = int(sizes.sum() - abs(values.sum())) // 2
    shares = np.ones(1)  # shares of the assignments by the sum of their positive differences
    for size, count in zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True):
        chances = head_probabilities(int(count), int(min(count, limit // size)))
        spread = np.zeros(size * len(chances) - size + 1)
        spread[:: int(size)] = chances
        shares = np.convolve(shares, spread)[: limit + 1]
    return min(1.0, 2 * float(shares.sum()))


def accuracy_differences(
    first: Bools,
    second: Bools,
    groups: Ints,
    slice_of: Ints,
    *,
    confidence: float,
    width: float = 1.0,
) -> tuple[NDArray[np.int64], list[Difference]]:
    """Return the difference of two models' accuracies on each slice, by :func:`sign_flip_test`.

    The limits are those of Agresti and Min: normal limits after adding half an image to each of the
    four outcomes of a pair. Here they apply to groups instead of images: the variance is that of a
    ratio of sums over groups, the added images have the mean size of groups, and the quantile is
    Student's. If the models differ on too few groups for a significant test (below 6 at 95 %
    confidence), the limits include ± the share of groups that may differ although none was observed
    to, as in :func:`pixmill.metrics.significance.paired_differences`.

    Sources: Agresti and Min, "Simple Improved Confidence Intervals for Comparing Matched
    Proportions", Statistics in Medicine 24, 2005; Cochran, "Sampling Techniques", 1977, chapter 6
    (the variance of a ratio).

    Args:
        first: Whether the first model is correct on each image, shape (images,).
        second: The same for the second model.
        groups: Group of each image as a number from 0; near-duplicates share a group.
        slice_of: Slice of each image as a number from 0, or -1; there is at least one slice, and
            none is empty.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        width: Factor of the half-widths of the intervals:
            :data:`pixmill.metrics.resampling.CROSS_FITTING_WIDTH` for cross-fitted predictions.

    Returns:
        The number of groups in each slice, and the differences in accuracy.

    >>> import numpy as np
    >>> first, half = np.ones(80, bool), np.arange(80) % 2
    >>> groups, (_, found) = accuracy_differences(
    ...     first, half < 1, np.arange(80), half, confidence=0.95
    ... )
    >>> groups.tolist(), found.second, found.difference, found.p < 0.001
    ([40, 40], 0.0, -1.0, True)
    """
    from scipy.special import stdtrit

    inside = slice_of >= 0
    right = [np.asarray(one, np.int64)[inside] for one in (first, second)]
    stride = int(groups.max(initial=0)) + 1
    # One row for each group of each slice, ordered by slice.
    rows, row_of = np.unique(
        slice_of[inside].astype(np.int64) * stride + groups[inside], return_inverse=True
    )
    owner = rows // stride
    sizes = np.bincount(row_of).astype(np.float64)
    nets = np.bincount(row_of, weights=right[1] - right[0])
    count = np.bincount(owner)
    images = np.bincount(owner, sizes)
    squares = np.bincount(owner, sizes**2)
    net, cross, spread = (np.bincount(owner, column) for column in (nets, nets * sizes, nets**2))
    hits = [np.bincount(slice_of[inside], one) / images for one in right]

    # Half a group of mean size for each of the four outcomes of a pair (Agresti and Min).
    added = images / count
    centre = net / (images + 2 * added)
    variance = spread - 2 * centre * cross + centre**2 * squares + added**2 * (1 + 2 * centre**2)
    half = (
        width
        * stdtrit(np.maximum(count - 1, 1), (1 + confidence) / 2)
        * np.sqrt(variance)
        / (images + 2 * added)
    )
    found = []
    for place, part in enumerate(np.split(nets, np.cumsum(count)[:-1])):
        low = float(centre[place] - half[place])
        high = float(centre[place] + half[place])
        # Too few groups differ for any test; unobserved ones may differ, too.
        if 2.0 ** (1 - np.count_nonzero(part)) > 1 - confidence:
            unobserved = 1 - unanimous_limit(len(part), confidence)
            low = min(low, -unobserved)
            high = max(high, unobserved)
        gap = float(net[place] / images[place])
        limits = max(-1.0, min(low, gap)), min(1.0, max(high, gap))
        values = float(hits[0][place]), float(hits[1][place])
        found.append(Difference(*values, gap, *limits, sign_flip_test(part)))
    return count, found
