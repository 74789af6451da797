"""How far chance alone may have moved the figures of a part and of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pixmill.metrics.interval import alike_at_least
from pixmill.metrics.probabilities import normalised
from pixmill.metrics.resampled import resampled_scores
from pixmill.metrics.resampling import percentiles
from pixmill.metrics.scores import class_scores, scores

__all__ = ["score_limits"]

Limits = tuple[float, float] | None

_BIASED = {"ece"}
"""Figures that chance makes larger in every draw, as it did already in what was measured."""

_SHARES = {"accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"}
"""Figures that are 1 where all pictures are right and 0 where none is; shares of the first k answers besides."""


def score_limits(
    actual: npt.NDArray[np.integer],
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    labels: Sequence[str],
    *,
    draws: int,
    confidence: float,
    top_k: int | None = None,
) -> tuple[dict[str, Limits], dict[str, dict[str, Limits]]]:
    """Return the limits of a part's figures, and of each class's by label; ``None`` where a figure is undefined.

    They are the percentiles of a bootstrap over groups, but for two cases where those would be wrong. The calibration
    error of a draw is on average too large by as much again as the measured one, so its limits are mirrored at the
    measured figure (the basic bootstrap). Where a class, or the whole part, has no mistake, or nothing right, no draw
    has any either: the limit on that side is then the exact binomial one of as many groups.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, chapter 5.

    Args:
        actual: Class indices, shape (pictures,), at least one.
        probabilities: Shape (pictures, classes).
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
        labels: The classes' names in the order of their indices.
        draws: How often to resample.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
        top_k: As of :func:`pixmill.metrics.scores`.
    """
    values = normalised(probabilities)
    predicted = values.argmax(axis=1)
    drawn = resampled_scores(actual, values, groups, draws=draws, top_k=top_k)
    figures = scores(actual, values, top_k=top_k)
    names = np.asarray(groups)
    all_groups = len(np.unique(names))
    overall = {
        name: _of_a_part(name, figures[name], all_groups, drawn.overall.get(name), confidence)
        for name in figures
        if name != "n"
    }
    per_class: dict[str, dict[str, Limits]] = {}
    for place, (label, row) in enumerate(class_scores(actual, predicted, labels).items()):
        among = {"precision": predicted == place, "recall": actual == place}
        among["f1"] = among["precision"] | among["recall"]
        per_class[label] = {
            name: _of_a_class(name, row, len(np.unique(names[pictures])), drawn.per_class[name][place], confidence)
            for name, pictures in among.items()
        }
    return overall, per_class


def _limits(name: str, figure: float | None, drawn: npt.NDArray[np.float64] | None, confidence: float) -> Limits:
    if figure is None or drawn is None:
        return None
    found = percentiles(drawn, confidence)
    if found is None:
        return None
    low, high = found
    if name in _BIASED:
        low, high = max(0.0, 2 * figure - high), 2 * figure - low
    return min(low, figure), max(high, figure)


def _of_a_part(
    name: str, figure: float | None, groups: int, drawn: npt.NDArray[np.float64] | None, confidence: float
) -> Limits:
    found = _limits(name, figure, drawn, confidence)
    if found is None or figure not in (0, 1) or not (name in _SHARES or name.startswith("top_")):
        return found
    alike = alike_at_least(groups, confidence)
    return (alike, 1.0) if figure == 1 else (0.0, 1 - alike)


def _of_a_class(
    name: str,
    row: Mapping[str, float | int | None],
    groups: int,
    drawn: npt.NDArray[np.float64],
    confidence: float,
) -> Limits:
    figure = row[name]
    found = _limits(name, figure, drawn, confidence)
    if found is None or figure not in (0, 1):
        return found
    # Of so many groups without an exception, this share at least is alike.
    alike = alike_at_least(groups, confidence)
    if figure == 1:
        # F1 is 2 J / (1 + J) of the share J that is right among all that are of the class or were taken for it.
        return (2 * alike / (1 + alike) if name == "f1" else alike), 1.0
    most = 1 - alike
    return 0.0, 2 * most / (1 + most) if name == "f1" else most
