"""What it costs to answer only where one is sure: how many pictures get an answer, and how many of these are right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Covered", "coverage_curve", "covered", "sure_enough"]

_STEPS = 100
"""Rows of a curve at most: one a percent of the pictures."""

_PRECISION = 1_000_000
"""A threshold is rounded down to a whole number of such parts of one, so that it stays the same when it is written."""


@dataclass(frozen=True)
class Covered:
    """Say what a threshold does to a part.

    Args:
        answered: Whether each picture gets an answer.
        coverage: The share of pictures that do.
        accuracy: The share of these answers that are right; ``None`` where there is none.
    """

    answered: npt.NDArray[np.bool_]
    coverage: float
    accuracy: float | None


def sure_enough(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], target: float) -> float | None:
    """Return the least confidence from which on a share of all answers is right, or ``None`` where there is none.

    The least is the one that leaves the fewest pictures without an answer. It is 0 where all answers together are right
    often enough. So few answers that one mistake more would miss the target (1 / (1 - target), such as 20) show
    nothing, and do not count.

    Args:
        confidence: The probability of each picture's predicted class, shape (pictures,).
        right: Whether that class is the true one.
        target: The share of answers that shall be right, > 0 and < 1.
    """
    levels, answers, hits = _by_level(confidence, right)
    fewest = min(math.ceil(round(1 / (1 - target), 9)), len(right) + 1)
    enough = (hits >= target * answers - 1e-9) & (answers >= fewest)
    if not enough.any():
        return None
    place = int(np.flatnonzero(enough)[-1])
    if place == len(levels) - 1:
        return 0.0
    return math.floor(float(levels[place]) * _PRECISION) / _PRECISION


def covered(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], threshold: float | None) -> Covered:
    """Return what a threshold does to a part.

    Args:
        confidence: The probability of each picture's predicted class, shape (pictures,), at least one.
        right: Whether that class is the true one.
        threshold: The confidence from which on there is an answer; ``None``: there never is.
    """
    answered = np.zeros(len(right), bool) if threshold is None else confidence >= threshold
    accuracy = float(np.mean(right[answered])) if answered.any() else None
    return Covered(answered, float(np.mean(answered)), accuracy)


def coverage_curve(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return what each threshold would do: at most a hundred rows, from the surest pictures alone to all of them.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11, 2010.

    Args:
        confidence: The probability of each picture's predicted class, shape (pictures,), at least one.
        right: Whether that class is the true one.

    Returns:
        Columns ``coverage``, ``accuracy``, ``threshold`` and ``n``, the answers.
    """
    levels, answers, hits = _by_level(confidence, right)
    wanted = np.arange(1, _STEPS + 1) / _STEPS * len(right)
    rows = np.unique(np.minimum(np.searchsorted(answers, wanted - 1e-9), len(answers) - 1))
    return pd.DataFrame(
        {
            "coverage": answers[rows] / len(right),
            "accuracy": hits[rows] / answers[rows],
            "threshold": levels[rows],
            "n": answers[rows],
        }
    )


def _by_level(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return each confidence that occurs, highest first, with the answers and the right ones from it on."""
    levels, level_of = np.unique(-confidence, return_inverse=True)
    answers = np.cumsum(np.bincount(level_of))
    hits = np.cumsum(np.bincount(level_of, weights=right)).astype(np.int64)
    return -levels, answers, hits
