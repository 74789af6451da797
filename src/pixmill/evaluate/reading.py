"""Sentences that say what the figures mean, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pixmill.evaluate.mistakes import Confusion

__all__ = ["calibration", "cautions", "confusion_sentence", "headline"]

_FEW = 30
"""Test pictures of a class below which its own figures say little: one picture more or less moves them by 3 points."""

_BY_HEART = 0.1
"""A gap between training and test accuracy above which the model has plainly learnt pictures by heart."""

_OFF = 0.05
"""A calibration error above which a stated confidence should not be taken at its word."""


def headline(metrics: Mapping[str, Any], confidence: float) -> str:
    """Return what the accuracy is, on what it rests, and how far chance may have moved it.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confidence: Confidence of the interval.
    """
    n, right = metrics["n"], round(metrics["accuracy"] * metrics["n"])
    return (
        f"Of {n:,} test pictures, which no training has touched, the model named {right:,} right. "
        f"With {100 * confidence:g} % confidence its accuracy on pictures like these lies between "
        f"{_percent(metrics['accuracy_low'])} and {_percent(metrics['accuracy_high'])}."
    )


def confusion_sentence(confusion: Confusion) -> str:
    """Return how often one class was taken for another."""
    times = "once" if confusion.count == 1 else f"{confusion.count:,} times"
    share = _percent(confusion.count / confusion.of)
    return f"{confusion.actual} was taken for {confusion.predicted} {times} in {confusion.of:,} ({share})"


def calibration(metrics: Mapping[str, Any], mean_confidence: float) -> str:
    """Return whether the model's confidence can be taken at its word.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        mean_confidence: Mean probability of the predicted class over the test part.
    """
    said = (
        f"On average the model was {_percent(mean_confidence)} sure, and right in {_percent(metrics['accuracy'])} "
        f"of the cases; its calibration error (ECE, 15 bins) is {metrics['ece']:.3f}. "
    )
    if metrics["ece"] <= _OFF:
        return said + "Its confidence can roughly be taken at its word."
    side = "surer than it should be" if mean_confidence > metrics["accuracy"] else "less sure than it could be"
    return said + f"It is {side}: do not read its confidence as a probability of being right."


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Return what a reader should be careful about, the gravest first.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    return [
        *_against_the_baseline(metrics),
        *_by_heart(metrics),
        *_of_single_classes(metrics["per_class"]),
        _of_the_interval(metrics),
        "The test pictures come from the same sources as those for training. Pictures from elsewhere, with other "
        "backgrounds, light or cameras, may do worse.",
    ]


def _against_the_baseline(metrics: Mapping[str, Any]) -> Iterator[str]:
    baseline = metrics["baseline"]["majority_accuracy"]
    if metrics["accuracy_low"] <= baseline:
        yield (
            "This is not clearly better than always naming the commonest class, "
            f"which is right in {_percent(baseline)} of the cases."
        )


def _by_heart(metrics: Mapping[str, Any]) -> Iterator[str]:
    gap = metrics["train"]["accuracy"] - metrics["accuracy"]
    if gap > _BY_HEART:
        yield (
            f"On the pictures it was trained on the model is right in {_percent(metrics['train']['accuracy'])} "
            f"of the cases, {100 * gap:.0f} points more: it has learnt pictures by heart. More pictures, "
            "stronger augmentation or more dropout may help."
        )


def _of_single_classes(per_class: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    absent = [label for label, row in per_class.items() if row["support"] == 0]
    never = [label for label, row in per_class.items() if row["support"] > 0 and row["precision"] is None]
    few = [f"{label} ({row['support']})" for label, row in per_class.items() if 0 < row["support"] < _FEW]
    if never:
        yield f"Never named at all: {_listed(never)}."
    if absent:
        yield f"Without a test picture, so nothing is known of: {_listed(absent)}."
    if few:
        yield f"With fewer than {_FEW} test pictures, so that their own figures say little: {_listed(few)}."


def _of_the_interval(metrics: Mapping[str, Any]) -> str:
    half = 100 * (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    return (
        f"Other test pictures of the same kind would move the accuracy by about ±{half:.1f} points. A model that "
        "differs by less may only have been luckier: compare the two picture by picture."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
