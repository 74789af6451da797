"""Sentences that say what the figures mean, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pixmill.evaluate.mistakes import Confusion

__all__ = ["calibration", "cautions", "confusion_sentence", "headline", "meaning", "next_steps", "threshold"]

_FEW = 30
"""Test pictures of a class below which its own figures say little: one picture more or less moves them by 3 points."""

_BY_HEART = 0.1
"""A gap between training and test accuracy above which the model has plainly learnt pictures by heart."""

_NARROW = 0.02
"""Half the width of an interval that most decisions can rest on."""

_OFTEN = 0.25
"""The share of all mistakes from which on one confusion is worth work of its own."""

_NAMED = 12
"""Classes that a sentence names; of more it says how many."""

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


def meaning(metrics: Mapping[str, Any]) -> str:
    """Return what the accuracy means beside what could be had without this model.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    baseline = metrics["baseline"]
    one_in = 1 / max(1 - metrics["accuracy"], 1e-9)
    said = (
        "It named every test picture right. "
        if metrics["accuracy"] == 1
        else f"It is wrong about one picture in {one_in:,.0f}. "
        if one_in >= 3
        else f"It is wrong about more than {'a third' if metrics['accuracy'] >= 0.5 else 'half'} of the pictures. "
    )
    said += (
        f"Always naming the commonest class would be right in {_percent(baseline['majority_accuracy'])} of the cases"
    )
    colours = baseline.get("histogram_accuracy")
    if colours is not None:
        said += f", and a simple model that sees only how much of each colour there is in {_percent(colours)}"
    return said + "."


def threshold(metrics: Mapping[str, Any], target: float) -> str | None:
    """Return what is gained where the model may say "not sure"; ``None`` where it was not measured.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        target: The share of answers that shall be right.
    """
    if "threshold" not in metrics:
        return None
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
    said = f"If it says \u201cnot sure\u201d wherever its calibrated confidence is below {_percent(limit)}, "
    if covered is None:
        return said + "no test picture gets an answer."
    return (
        said + f"{_percent(coverage)} of the test pictures get an answer, and {_percent(covered)} of these answers are "
        f"right. The threshold was chosen on the validation part, for {_percent(target)}."
    )


def next_steps(
    metrics: Mapping[str, Any], confusions: Sequence[Confusion], *, doubtful: int, worse: Sequence[str]
) -> list[tuple[str, str | None]]:
    """Return what would help most, first things first, each with the command to type, if there is one.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confusions: Which class was taken for which, most frequent first.
        doubtful: How many labels are in doubt.
        worse: Sentences about slices that are worse than the rest.
    """
    steps: list[tuple[str, str | None]] = []
    if doubtful:
        what, them = ("One label is", "it") if doubtful == 1 else (f"{doubtful:,} labels are", "them")
        steps.append(
            (
                f"{what} in doubt. No model can be better than its labels; look at {them}:",
                "pixmill review --only labels",
            )
        )
    wrong = sum(confusion.count for confusion in confusions)
    if confusions and confusions[0].count >= max(2, _OFTEN * wrong):
        first = confusions[0]
        steps.append(
            (
                f"{first.count:,} of the {wrong:,} mistakes take {first.actual} for {first.predicted}. Bring more "
                "pictures of both that show the difference, or make them one class if people mix them up too.",
                None,
            )
        )
    if worse:
        steps.append(
            (
                "Some kinds of pictures do worse than others (see \u201cWhere it does worse\u201d): "
                "bring more of them.",
                None,
            )
        )
    if next(_by_heart(metrics), None):
        steps.append(
            (
                "It has learnt pictures by heart: bring more pictures. What else helps a model of this kind:",
                "reports/train.html",
            )
        )
    half = (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    if half > _NARROW:
        # The width goes by the square root of the number of pictures.
        needed = metrics["n"] * (half / _NARROW) ** 2
        steps.append(
            (
                f"To know its accuracy to \u00b1{100 * _NARROW:g} points takes about {_rounded(needed)} test pictures; "
                f"there are {metrics['n']:,}. Bring more pictures, or hold more of them out:",
                "split.test",
            )
        )
    return steps


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
    calibrated = metrics.get("calibrated")
    if calibrated is not None and calibrated["ece"] < metrics["ece"] and metrics["temperature"] is not None:
        said += (
            f"Divided by a temperature of {metrics['temperature']:.2f}, which the validation part gives, the error is "
            f"{calibrated['ece']:.3f}. "
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
    baseline, colours = (metrics["baseline"].get(f"{name}_accuracy") for name in ("majority", "histogram"))
    if metrics["accuracy_low"] <= baseline:
        yield (
            "This is not clearly better than always naming the commonest class, "
            f"which is right in {_percent(baseline)} of the cases."
        )
    elif colours is not None and metrics["accuracy_low"] <= colours:
        yield (
            "This is not clearly better than a simple model that sees only colours, which is right in "
            f"{_percent(colours)} of the cases: it may have learnt no shapes, or the classes may differ in background, "
            "light or source."
        )


def _by_heart(metrics: Mapping[str, Any]) -> Iterator[str]:
    gap = metrics["train"]["accuracy"] - metrics["accuracy"]
    if gap > _BY_HEART:
        yield (
            f"On the pictures it was trained on the model is right in {_percent(metrics['train']['accuracy'])} "
            f"of the cases, {100 * gap:.0f} points more: it has learnt pictures by heart. More pictures help most."
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


def _rounded(value: float) -> str:
    """Return a number with two digits that count."""
    return f"{float(f'{value:.2g}'):,.0f}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
