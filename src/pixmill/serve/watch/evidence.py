"""Evidence against a null hypothesis that may be looked at after every image, for ever.

Each function bets on what comes next, such that the wealth does not grow on average under the null
hypothesis. By Ville's inequality, the probability that it ever reaches 20 times its start is at most
5 %. Source: G. Shafer, "Testing by betting", JRSS A 184, 2021. All return logarithms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixmill.metrics.arrays import ArrayLike, Floats

ALARM = float(np.log(20))
"""Evidence of an alarm: one false alarm in 20 streams, however often one looks."""

_POWERS = np.array([0.1, 0.25, 0.45, 0.7, 0.9])
"""Bets on small p-values: density ``a * p ** (a - 1)``."""

_GAP = 25
"""Number of p-values between two possible beginnings of a change."""

_FALLS = np.array([0.05, 0.1, 0.15, 0.25])
"""Falls of the accuracy that are bet on."""

_SHARES = np.array([1, 4, 2, 2]) / 9
"""Share of the wealth by fall: most falls of 10 points within 200 images are found with these."""


class Change(NamedTuple):
    """Evidence that the p-values became small.

    Args:
        evidence: After each p-value.
        start: Index of the p-value at which it most probably began.
    """

    evidence: Floats
    start: int


def change(p: Floats) -> Change:
    """Return the evidence that p-values, uniform under the null hypothesis, became small.

    The wealth is a mixture over beginnings and sizes of the change; the j-th beginning has a weight
    of 1/(j(j+1)), so that one budget lasts for ever.

    Args:
        p: From 0 to 1, in order.
    """
    bets = np.log(_POWERS) + (_POWERS - 1) * np.log(np.clip(p, 1e-9, 1))[:, None]
    wealth = np.full(len(_POWERS), -np.inf)
    found = np.zeros(len(p))
    for place, bet in enumerate(bets):
        begun, is_start = divmod(place, _GAP)
        if not is_start:
            wealth = np.logaddexp(wealth, -np.log((begun + 1) * (begun + 2)))
        wealth += bet
        unused = -np.log(begun + 2)
        found[place] = np.logaddexp.reduce(np.logaddexp(wealth, unused)) - np.log(len(_POWERS))
    is_alarm = found >= ALARM
    last = int(is_alarm.argmax()) + 1 if is_alarm.any() else len(p)
    gains = bets[:last][::-1].cumsum(axis=0)[::-1].max(axis=1)
    return Change(found, int(gains.argmax()) if last else 0)


def fall(right: ArrayLike, known_right: int, known: int) -> Floats:
    """Return the evidence that an accuracy is lower than on known images, after each image.

    The null hypothesis predicts each answer from all before it by the Jeffreys prior, so that the
    size of the test split counts; the alternative is a mixture of falls.

    Args:
        right: Whether each answer is right, in order.
        known_right: Number of right answers on the known images.
        known: Number of known images.
    """
    wrong = ~np.asarray(right, bool)
    before = np.arange(len(wrong))
    errors = wrong.cumsum() - wrong + known - known_right
    null = (errors + 0.5) / (known + before + 1)
    expected = (known - known_right + 0.5) / (known + 1)
    alternatives = np.minimum(expected + _FALLS, 0.99)[:, None]
    bets = np.where(wrong, np.log(alternatives / null), np.log((1 - alternatives) / (1 - null)))
    found: Floats = np.logaddexp.reduce(bets.cumsum(axis=1) + np.log(_SHARES)[:, None], axis=0)
    return found


def preference(wins: ArrayLike) -> Floats:
    """Return the evidence that one of two models wins more often, after each image.

    A mixture of all rates against one half, on both sides.

    Args:
        wins: Whether the second model was right and the first wrong, of images where one of them
            was right, in order.
    """
    from scipy.special import betaln

    count = np.arange(1, len(np.asarray(wins)) + 1)
    won = np.asarray(wins, bool).cumsum()
    found: Floats = betaln(won + 1, count - won + 1) + count * np.log(2)
    return found
