"""Sentences that say what the figures mean, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.evaluate.mistakes import Confusion

__all__ = [
    "calibration_sentence",
    "cautions",
    "confusion_sentence",
    "headline",
    "meaning",
    "next_steps",
    "threshold_sentence",
    "worse_slices",
]

_FEW = 30
"""Test images of a class below which its own figures say little: one image more or less moves them by 3 points."""

_BY_HEART = 0.1
"""A gap between training and test accuracy above which the model has plainly learnt images by heart."""

_NARROW = 0.02
"""Half the width of an interval that most decisions can rest on."""

_OFTEN = 0.25
"""The share of all mistakes from which on one confusion is worth work of its own."""

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
        f"Of {n:,} test images, which no training has touched, the model named {right:,} right. "
        f"With {100 * confidence:g}\u00a0% confidence its accuracy on images like these lies between "
        f"{_percent(metrics['accuracy_low'])} and {_percent(metrics['accuracy_high'])}."
    )


def meaning(metrics: Mapping[str, Any]) -> str:
    """Return what the accuracy means beside what could be had without this model.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    baseline = metrics["baseline"]
    one_in = 1 / max(1 - metrics["accuracy"], 1e-9)
    sentence = (
        "It named every test image right. "
        if metrics["accuracy"] == 1
        else f"It is wrong about one image in {one_in:,.0f}. "
        if one_in >= 3
        else f"It is wrong about more than {'a third' if metrics['accuracy'] >= 0.5 else 'half'} of the images. "
    )
    sentence += (
        f"Always naming the commonest class would be right in {_percent(baseline['majority_accuracy'])} of the cases"
    )
    colours = _percent(baseline["histogram_accuracy"])
    return sentence + f", and a simple model that sees only how much of each colour there is in {colours}."


def threshold_sentence(metrics: Mapping[str, Any], target: float) -> str:
    """Return what is gained where the model may say "not sure".

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        target: The share of answers that shall be right.
    """
    limit, coverage, covered = (metrics[name] for name in ("threshold", "coverage", "covered_accuracy"))
    if limit is None:
        return (
            f"On the validation part no confidence is high enough for {_percent(target)} of the answers to be right: "
            "there is no threshold to go by."
        )
    if limit == 0:
        return (
            f"On the validation part at least {_percent(target)} of all its answers are right: "
            "it need never say \u201cnot sure\u201d."
        )
    sentence = f"If it says \u201cnot sure\u201d wherever its calibrated confidence is below {_percent(limit)}, "
    if covered is None:
        return sentence + "no test image gets an answer."
    return (
        sentence
        + f"{_percent(coverage)} of the test images get an answer, and {_percent(covered)} of these answers are "
        f"right. The threshold was chosen on the validation part, for {_percent(target)}."
    )


def next_steps(
    metrics: Mapping[str, Any], confusions: Sequence[Confusion], *, doubtful: int, worse: Sequence[str]
) -> Iterator[tuple[str, str | None]]:
    """Yield what would help most, first things first, each with the command to type, if there is one.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confusions: Which class was taken for which, most frequent first.
        doubtful: How many labels are in doubt.
        worse: Sentences about slices that are worse than the rest.
    """
    if doubtful:
        what, them = ("One label is", "it") if doubtful == 1 else (f"{doubtful:,} labels are", "them")
        step = f"{what} in doubt. No model can be better than its labels; look at {them}:"
        yield step, "pixmill review --only labels"
    wrong = sum(confusion.count for confusion in confusions)
    if confusions and confusions[0].count >= max(2, _OFTEN * wrong):
        first = confusions[0]
        step = (
            f"{first.count:,} of the {wrong:,} mistakes take {first.actual} for {first.predicted}. Bring more "
            "images of both that show the difference, or make them one class if people mix them up too."
        )
        yield step, None
    if worse:
        step = "Some kinds of images do worse than others (see \u201cWhere it does worse\u201d): bring more of them."
        yield step, None
    if _learnt_by_heart(metrics):
        step = "It has learnt images by heart: bring more images. What else helps a model of this kind:"
        yield step, "reports/train.html"
    half = (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    if half > _NARROW:
        # The width goes by the square root of the number of images.
        needed = float(f"{metrics['n'] * (half / _NARROW) ** 2:.2g}")
        step = (
            f"To know its accuracy to \u00b1{100 * _NARROW:g} points takes about {needed:,.0f} test images; "
            f"there are {metrics['n']:,}. Bring more images, or hold more of them out:"
        )
        yield step, "split.test"


def worse_slices(slices: pd.DataFrame) -> list[str]:
    """Return a sentence for each slice that is significantly worse than the rest, the worst first.

    Args:
        slices: As :func:`pixmill.evaluate.slices.slices` returns it.
    """
    worse = slices[slices["worse"]].sort_values(["p_adjusted", "accuracy", "dimension", "slice"], kind="stable")
    return [
        f"{row['what'][0].upper()}{row['what'][1:]}: {row['right']:,} of {row['n']:,} right "
        f"({_percent(row['accuracy'])}), against {_percent(row['rest'])} of all others. "
        f"Chance alone would hardly do that (p = {max(row['p_adjusted'], 0.0001):.2g}, all slices counted)."
        for row in worse.to_dict("records")
    ]


def confusion_sentence(confusion: Confusion) -> str:
    """Return how often one class was taken for another."""
    times = "once" if confusion.count == 1 else f"{confusion.count:,} times"
    share = _percent(confusion.count / confusion.of)
    return f"{confusion.actual} was taken for {confusion.predicted} {times} in {confusion.of:,} ({share})"


def calibration_sentence(metrics: Mapping[str, Any], mean_confidence: float) -> str:
    """Return whether the model's confidence can be taken at its word.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        mean_confidence: Mean probability of the predicted class over the test part.
    """
    sentence = (
        f"On average the model was {_percent(mean_confidence)} sure, and right in {_percent(metrics['accuracy'])} "
        f"of the cases; its calibration error (ECE, 15 bins) is {metrics['ece']:.3f}. "
    )
    calibrated = metrics["calibrated"]
    if calibrated["ece"] < metrics["ece"]:
        sentence += (
            f"Divided by a temperature of {metrics['temperature']:.2f}, which the validation part gives, the error is "
            f"{calibrated['ece']:.3f}. "
        )
    if metrics["ece"] <= _OFF:
        return sentence + "Its confidence can roughly be taken at its word."
    side = "surer than it should be" if mean_confidence > metrics["accuracy"] else "less sure than it could be"
    return sentence + f"It is {side}: do not read its confidence as a probability of being right."


def cautions(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader should be careful about, the gravest first.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    baseline, colours = (metrics["baseline"][f"{name}_accuracy"] for name in ("majority", "histogram"))
    if metrics["accuracy_low"] <= baseline:
        yield (
            "This is not clearly better than always naming the commonest class, "
            f"which is right in {_percent(baseline)} of the cases."
        )
    elif metrics["accuracy_low"] <= colours:
        yield (
            "This is not clearly better than a simple model that sees only colours, which is right in "
            f"{_percent(colours)} of the cases: it may have learnt no shapes, or the classes may differ in background, "
            "light or source."
        )
    if _learnt_by_heart(metrics):
        gap = metrics["train"]["accuracy"] - metrics["accuracy"]
        yield (
            f"On the images it was trained on the model is right in {_percent(metrics['train']['accuracy'])} "
            f"of the cases, {100 * gap:.0f} points more: it has learnt images by heart. More images help most."
        )
    classes = metrics["per_class"].items()
    if never := [label for label, row in classes if row["support"] > 0 and row["precision"] is None]:
        yield f"Never named at all: {_listed(never)}."
    if absent := [label for label, row in classes if row["support"] == 0]:
        yield f"Without a test image, so nothing is known of: {_listed(absent)}."
    if few := [f"{label} ({row['support']})" for label, row in classes if 0 < row["support"] < _FEW]:
        yield f"With fewer than {_FEW} test images, so that their own figures say little: {_listed(few)}."
    half = 100 * (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    yield (
        f"Other test images of the same kind would move the accuracy by about ±{half:.1f} points. A model that "
        "differs by less may only have been luckier: compare the two image by image."
    )
    yield (
        "The test images come from the same sources as those for training. Images from elsewhere, with other "
        "backgrounds, light or cameras, may do worse."
    )


def _learnt_by_heart(metrics: Mapping[str, Any]) -> bool:
    return bool(metrics["train"]["accuracy"] - metrics["accuracy"] > _BY_HEART)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(value: float) -> str:
    """Return a share of which no line divides number and unit."""
    return f"{100 * value:.1f}\u00a0%"
