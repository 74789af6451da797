"""The verdict on two models, and the number of images that would decide."""

import math
from statistics import NormalDist

from pixmill.core.words import count
from pixmill.experiments.compare.answers import MAX_CLASSES
from pixmill.experiments.compare.comparison import ClassNumbers, Numbers, Verdict
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.metrics.significance import Difference
from pixmill.pages.page import render_sentence

_MAX_IMAGES = 1_000_000
"""Images above which none are suggested."""

_MAX_SLICES = 3
"""Slices that a sentence names."""

_POWER = 0.8
"""Probability that the suggested number of images decides."""


def give_verdict(numbers: Numbers) -> tuple[Verdict, str]:
    """Return the verdict, and a sentence with its numbers.

    The interval of the difference in the deciding metric decides. Above zero, the head is better;
    below, worse. If it contains zero, both are the same if it is within ± the margin, otherwise
    undecided. The sentence also names slices with significantly lower accuracy and classes with
    significantly lower F1 (or average precision), by Holm's method.

    Args:
        numbers: Metrics of both models.
    """
    row = numbers.decisive
    margin = numbers.margin
    low, _, high = numbers.gain
    equal = all(found.low == found.high == 0 for found in numbers.metrics.values())
    verdict: Verdict = "same" if equal else _decide(low, high, margin)
    changed = filter(numbers.is_changed, numbers.slices)
    falls = [each for each in changed if each.accuracy.difference < 0]
    falls.sort(key=lambda each: each.accuracy.difference)
    named = {each.name for each in falls[:_MAX_SLICES] if each.dimension == "class"}
    images = count(numbers.n, numbers.image)
    if numbers.own_classes:
        images += f" of the {len(numbers.per_class)} classes that both know"
    needed = images_needed(
        numbers.n, (high - low) / 2, abs(row.difference), numbers.confidence, margin
    )
    sentence = render_sentence(
        "pixmill.experiments.compare",
        "verdict.txt",
        verdict=verdict,
        equal=equal,
        decisive=row,
        metric=METRIC_NAMES[numbers.metric],
        margin=margin,
        confidence=numbers.confidence,
        images=images,
        own_classes=numbers.own_classes,
        image=numbers.image,
        slices=falls,
        share=METRIC_NAMES[numbers.share],
        classes=[item for item in _worse_classes(numbers) if item[0] not in named],
        change=_possible_change(row, margin),
        needed=needed if needed and needed > numbers.n else None,
        max_slices=_MAX_SLICES,
        max_classes=MAX_CLASSES,
    )
    return verdict, sentence


def _decide(low: float, high: float, margin: float) -> Verdict:
    """Return the verdict for the interval of a gain."""
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "same" if low >= -margin and high <= margin else "undecided"


def _possible_change(row: Difference, margin: float) -> str:
    """Return what may exceed the margin in an undecided interval: a drop, a rise, or either."""
    may_fall = row.low < -margin
    if may_fall and row.high > margin:
        return "change"
    return "drop" if may_fall else "rise"


def images_needed(
    n: int, half_width: float, distance: float, confidence: float, margin: float = 0.0
) -> int | None:
    """Return the number of images that would probably decide.

    With this number, 80 % of intervals exclude a limit at the distance if the measured value is the
    true one. An interval whose half width equals the distance would exclude it half of the time.

    Args:
        n: Number of images measured.
        half_width: Half the width of the interval.
        distance: Distance between the value and the limit to exclude.
        confidence: Level of the interval.
        margin: Width of an interval that decides at any position.

    Returns:
        Two significant digits, rounded up; ``None`` above a million images.

    >>> images_needed(250, 0.04, 0.04, 0.95), images_needed(250, 0.04, 0.0, 0.95, margin=0.04)
    (520, 1000)
    """
    limit, likely = (NormalDist().inv_cdf(share) for share in ((1 + confidence) / 2, _POWER))
    enough = max(distance * limit / (limit + likely), margin / 2)
    if half_width >= enough * math.sqrt(_MAX_IMAGES / n):
        return None
    needed = math.ceil(round(n * (half_width / enough) ** 2, 6))
    unit = int(10 ** max(0, len(str(needed)) - 2))
    return math.ceil(needed / unit) * unit


def _worse_classes(numbers: Numbers) -> list[tuple[str, ClassNumbers]]:
    """Return the classes that are significantly worse, the worst first."""
    found = [
        (row.score.difference, label, row)
        for label, row in numbers.per_class.items()
        if row.score is not None and numbers.is_changed(row)
    ]
    return [(label, row) for gap, label, row in sorted(found, key=lambda item: item[:2]) if gap < 0]
