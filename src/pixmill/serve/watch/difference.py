"""Whether the images that come in differ from those that the model was tested on.

Half of the new images train a classifier of old against new; each of the others is ranked by it
among the test images and all that were ranked before. If nothing has changed, the ranks are uniform
and independent, whatever the classifier has learnt: they are conformal p-values. Source: V. Vovk,
"Testing randomness online", Statistical Science 36, 2021.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from pixmill.metrics.arrays import Bools, Floats

_FIRST = 8
"""Number of new images from which a classifier is fitted; before, the novelty decides."""

_GROWTH = 1.15
"""Growth of their number until the next fit."""

_LATEST = 1000
"""Maximum number of new images that a classifier is fitted to: the latest."""

_INVERSE_REGULARIZATION = 0.02

Score = Callable[[Floats], Floats]


def p_values(old: Floats, test: Floats, new: Floats, ids: Iterable[str], known: Floats) -> Floats:
    """Return the p-value of each new image; NaN for those that train.

    Args:
        old: Features of validation images, which stand for the old ones when a classifier is
            fitted, shape (images, width); the last is the novelty.
        test: Features of the test images.
        new: Features of the new images in order.
        ids: Their hexadecimal ids: an odd last digit means to train, those before it decide ties.
        known: P-values of earlier looks, which stay; else NaN.
    """
    numbers = np.array([int(name[-9:], 16) for name in ids])
    trains = numbers % 2 == 1
    ties = numbers / 2**36
    found = known.copy()
    for start, end in pairwise([*_fits(trains), len(new)]):
        ranked = np.flatnonzero(~trains[start:end]) + start
        if not np.isnan(found[ranked]).any():
            continue
        score = fit_score(old, new[:start][trains[:start]][-_LATEST:])
        bag = np.sort(np.r_[score(test), score(new[:start][~trains[:start]])]).tolist()
        for row, value in zip(ranked, score(new[ranked]).tolist(), strict=True):
            if np.isnan(found[row]):
                above = len(bag) - bisect_right(bag, value)
                equal = bisect_right(bag, value) - bisect_left(bag, value)
                found[row] = (above + ties[row] * (equal + 1)) / (len(bag) + 1)
            insort(bag, value)
    return found


def fit_score(old: Floats, new: Floats, weights: Floats | None = None) -> Score:
    """Return a classifier of old against new images, from features to scores, higher for new ones.

    Args:
        old: Features of old images; the last is the novelty.
        new: Those of new images.
        weights: Of the old images; default: equal.
    """
    from sklearn.linear_model import LogisticRegression

    if len(new) < _FIRST:
        return lambda features: features[:, -1]
    targets = np.r_[np.zeros(len(old)), np.ones(len(new))]
    each = np.r_[np.ones(len(old)) if weights is None else weights, np.ones(len(new))]
    model = LogisticRegression(C=_INVERSE_REGULARIZATION, class_weight="balanced", max_iter=300)
    scale = old.std(axis=0) + 1e-6
    standardised = (np.vstack([old, new]) - old.mean(axis=0)) / scale
    kernel = model.fit(standardised, targets, each).coef_[0] / scale
    return lambda features: features @ kernel


def _fits(trains: Bools) -> list[int]:
    """Return the places from which another classifier ranks."""
    counts = trains.cumsum()
    places = [0]
    wanted = float(_FIRST)
    while wanted <= trains.sum():
        places.append(int(np.searchsorted(counts, np.ceil(wanted))) + 1)
        wanted = max(wanted * _GROWTH, wanted + 1)
    return places
