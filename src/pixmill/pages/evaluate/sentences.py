"""Sentences that interpret the metrics for the reader, and state their limits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.core.words import join_names
from pixmill.evaluate.mistakes import Confusion
from pixmill.metrics.calibration import fewest_answers
from pixmill.metrics.growth import UNMEASURED, Growth

_FEW = 30
"""Fewer test images than this make a class's metrics imprecise: one image moves recall by more than 3 points."""

_OVERFIT = 0.1
"""A gap between training and test accuracy above which the model clearly overfits."""

_NARROW = 0.02
"""Half-width of a confidence interval that is narrow enough for most decisions."""

_OFTEN = 0.25
"""Share of all errors above which one confusion is worth fixing on its own."""

_HARD = 0.7
"""Share of the labels that the search for wrong ones must confirm, so that its suggestions are right often enough."""

_OFF = 0.05
"""A calibration error above which confidence should not be read as a probability."""


def headline(metrics: Mapping[str, Any], confidence: float) -> str:
    """Return the accuracy as counts, with its confidence interval.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confidence: Confidence of the interval.
    """
    n, right = metrics["n"], round(metrics["accuracy"] * metrics["n"])
    return (
        f"The model classified {right:,} of {n:,} test images correctly ({100 * confidence:g}\u00a0% CI "
        f"{_percent(metrics['accuracy_low'])} to {_percent(metrics['accuracy_high'])}). "
        "They were not used for training or early stopping."
    )


def shortcut_sentence(metrics: Mapping[str, Any]) -> str:
    """Return what tells the class without a look at the content, as validate found it; empty if nothing does.

    Args:
        metrics: The content of ``plots/evaluate/full.json``; earlier versions wrote none of these.
    """
    found = metrics.get("shortcuts") or []
    if not found:
        return ""
    names = [f"{item['property'].replace('_', ' ')} (skill {item['skill']:g})" for item in found]
    return (
        f"{join_names(names)} alone {'tells' if len(names) == 1 else 'tell'} one class from the others: the accuracy "
        f"may measure this, not what the images show. {found[0]['example']}."
    )


def meaning(metrics: Mapping[str, Any]) -> str:
    """Return how the accuracy compares with the baselines.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    baseline = metrics["baseline"]
    one_in = 1 / max(1 - metrics["accuracy"], 1e-9)
    sentence = (
        "The model classified every test image correctly. "
        if metrics["accuracy"] == 1
        else f"The model misclassifies about one image in {one_in:,.0f}. "
        if one_in >= 3
        else f"The model misclassifies more than {'a third' if metrics['accuracy'] >= 0.5 else 'half'} of the images. "
    )
    sentence += (
        "Always predicting the most common class of the test split would reach "
        f"{_percent(baseline['majority_accuracy'])} accuracy"
    )
    histogram = _percent(baseline["histogram_accuracy"])
    return sentence + f"; a logistic regression on colour histograms, which ignores shapes, reaches {histogram}."


def threshold_sentence(metrics: Mapping[str, Any], target: float) -> str:
    """Return what accuracy and coverage the confidence threshold gives, or what it takes to choose one.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        target: The accuracy that the answers should reach.
    """
    limit, covered = metrics["threshold"], metrics["covered_accuracy"]
    n, aim = f"{metrics['val']['n']:,}", f"{100 * target:g}\u00a0%"
    if not limit:
        return (
            f"There is no confidence threshold: the {n} validation images do not show {aim} accuracy, not even for the "
            f"most confident predictions. That takes at least {fewest_answers(target):,} confident predictions if all "
            "are correct, and more if some are wrong; near-duplicates count once. The model therefore calls no "
            "prediction \u201csure\u201d or \u201cnot sure\u201d. To get a threshold, add images, enlarge split.val, "
            "or lower train.target_accuracy."
        )
    kind = "" if metrics["temperature"] is None else "calibrated "
    sentence = (
        f"Below a {kind}confidence of {_percent(limit)} the model answers \u201cnot sure\u201d. At or above "
        f"it, the {n} validation images show an accuracy of at least {aim}. "
    )
    if covered is None:
        return sentence + "It is not sure of any test image."
    low, high = metrics["covered_accuracy_low"], metrics["covered_accuracy_high"]
    sentence += (
        f"It is sure of {_percent(metrics['coverage'])} of the test images; of these, {_percent(covered)} are correct "
        f"(CI {_percent(low)} to {_percent(high)})"
    )
    return sentence + (": the test images contradict the target." if high < target else ".")


def next_steps(
    metrics: Mapping[str, Any],
    confusions: Sequence[Confusion],
    *,
    ranking: pd.DataFrame | None,
    slices: pd.DataFrame,
    growth: Growth | None,
) -> Iterator[tuple[str, str | None]]:
    """Yield the most useful next steps, most important first, each with its command if there is one.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confusions: Confusions between classes, most frequent first.
        ranking: As :func:`pixmill.evaluate.labels.find_label_errors` returns it; ``None``: labels were not searched.
        slices: As :func:`pixmill.evaluate.slices.slices` returns it.
        growth: What the learning curve says of more images; ``None``: there is none.
    """
    if ranking is not None and ranking["suggested"].notna().any():
        yield labels_sentence(ranking), "pixmill review --only labels"
    wrong = sum(confusion.count for confusion in confusions)
    if confusions and confusions[0].count >= max(2, _OFTEN * wrong):
        first = confusions[0]
        step = (
            f"{first.count:,} of the {wrong:,} errors are {first.actual} predicted as {first.predicted}. Add images "
            "of both classes that show the difference, or merge the classes if people confuse them too."
        )
        yield step, None
    if worse := _worse(slices)["what"].tolist():
        step = (
            f"Accuracy is significantly lower on {join_names(worse)} (see \u201cAccuracy by slice\u201d): add "
            "training images of this kind."
        )
        yield step, None
    if growth is not None and growth.helps:
        yield f"Add images. {growth.sentence()}", None
    if _overfits(metrics):
        more = UNMEASURED if growth is None else "" if growth.helps else growth.sentence()
        yield f"The model overfits. {more}{more and ' '}Remedies for this kind of model are in", "reports/train.html"
    half = (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    if half > _NARROW:
        # The width goes by the square root of the number of images.
        needed = float(f"{metrics['n'] * (half / _NARROW) ** 2:.2g}")
        step = (
            f"Measuring the accuracy to within \u00b1{100 * _NARROW:g} points takes about {needed:,.0f} test images; "
            f"there are {metrics['n']:,}. Add test images, or enlarge the test split with"
        )
        yield step, "split.test"


def worse_slices(slices: pd.DataFrame) -> list[str]:
    """Return a sentence for each slice with significantly lower accuracy than the rest, worst first.

    Args:
        slices: As :func:`pixmill.evaluate.slices.slices` returns it.
    """
    return [
        f"{_capital(row['what'])}: {row['right']:,} of {row['n']:,} correct "
        f"({_percent(row['accuracy'])}), against {_percent(row['rest'])} on all other test images. "
        f"This is unlikely to be chance (p = {max(row['p_adjusted'], 0.0001):.2g}, Holm-adjusted for all slices)."
        for row in _worse(slices).to_dict("records")
    ]


def labels_sentence(ranking: pd.DataFrame) -> str:
    """Return how many labels are worth a look, and how often such a suggestion was right where that is known.

    The shares are those that `benchmarks/labels.py` measured. They fall with the share of labels that the search's own
    model confirms, since on hard images it is wrong itself.

    Args:
        ranking: As :func:`pixmill.evaluate.labels.find_label_errors` returns it; at least one class is suggested.
    """
    doubtful = int(ranking["suggested"].notna().sum())
    what = "One label is" if doubtful == 1 else f"{doubtful:,} labels are"
    # A score of at least a half: no other class is more probable than the label.
    confirmed = float((ranking["score"] >= 0.5).mean())
    step = f"{what} worth a look: a simple model that was not trained on the image prefers another class. "
    if confirmed < _HARD:
        return (
            f"{step}But it confirms only {_percent(confirmed)} of all labels, so most suggestions are its mistakes: "
            "where labels were swapped in images this hard, 7 to 47\u00a0% were right. Review the first ones:"
        )
    return (
        f"{step}Where 2 to 10\u00a0% of the labels were swapped on purpose, between 17 and 63\u00a0% of the "
        "suggestions were right, depending on the images; the first ones most often. Review them:"
    )


def _worse(slices: pd.DataFrame) -> pd.DataFrame:
    """Return the slices with significantly lower accuracy than the rest, worst first."""
    return slices[slices["worse"]].sort_values(["p_adjusted", "accuracy", "dimension", "slice"], kind="stable")


def confusion_sentence(confusion: Confusion) -> str:
    """Return how often one class was predicted as another."""
    share = _percent(confusion.count / confusion.of)
    return f"{confusion.actual} predicted as {confusion.predicted}: {confusion.count:,} of {confusion.of:,} ({share})"


def calibration_sentence(metrics: Mapping[str, Any]) -> str:
    """Return what temperature is applied, and whether the confidence is then right on the test split.

    It is called off only if its mean is outside the accuracy's confidence interval, and well calibrated only if the
    whole interval is near it.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    temperature, n = metrics["temperature"], f"{metrics['val']['n']:,}"
    if temperature is None:
        sentence = (
            f"The {n} validation images give no reliable correction of the confidence, so no temperature is applied. "
        )
    else:
        side, change = ("over", "lowers") if temperature > 1 else ("under", "raises")
        sentence = (
            f"On the {n} validation images the network is {side}confident; temperature scaling "
            f"(T = {temperature:.2f}) {change} its confidence. "
        )
    # Rounded as they are shown, so that the sentences agree with the numbers in them.
    low, high, confidence, ece = (
        round(value, 3)
        for value in (metrics["accuracy_low"], metrics["accuracy_high"], metrics["confidence"], metrics["ece"])
    )
    sentence += (
        f"On the {metrics['n']:,} test images the {'' if temperature is None else 'calibrated '}confidence is "
        f"{_percent(confidence)} on average, and the accuracy {_percent(metrics['accuracy'])} (CI {_percent(low)} to "
        f"{_percent(high)}). "
    )
    error = f"expected calibration error {ece:.3f}"
    if ece <= _OFF and max(high - confidence, confidence - low) <= _OFF:
        return sentence + f"The model is well calibrated ({error})."
    if not low <= confidence <= high:
        unlike = "" if temperature is None else " The temperature fits the validation images, but not the test images."
        return (
            sentence + f"The model is {'over' if confidence > high else 'under'}confident ({error}): do not read its "
            f"confidence as the probability of being correct.{unlike}"
        )
    sentence += "The confidence lies within this interval: the test images do not show that it is off "
    half = (high - low) / 2
    if half <= _OFF:
        single = (
            "" if ece <= _OFF else " Single confidences may be off; with few images this error is larger by chance."
        )
        return sentence + f"on average ({error}).{single}"
    needed = float(f"{metrics['n'] * (half / _OFF) ** 2:.2g}")
    return sentence + f"on average. Showing a difference of {100 * _OFF:g} points takes about {needed:,.0f} images."


def cautions(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield the limitations of the result, most serious first.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
    """
    if shortcut := shortcut_sentence(metrics):
        advice = metrics["shortcuts"][0]["advice"]
        yield f"{_capital(shortcut)} It may be lower on images that do not differ in this; {advice}."
    majority, histogram = (metrics["baseline"][f"{name}_accuracy"] for name in ("majority", "histogram"))
    if metrics["accuracy_low"] <= majority:
        yield (
            "The model is not clearly better than always predicting the most common class, which reaches "
            f"{_percent(majority)} accuracy."
        )
    elif metrics["accuracy_low"] <= histogram:
        yield (
            "The model is not clearly better than the colour-histogram baseline, which reaches "
            f"{_percent(histogram)} accuracy: it may rely on colours rather than shapes, or the classes may differ "
            "in background, lighting or source."
        )
    if _overfits(metrics):
        gap = metrics["train"]["accuracy"] - metrics["accuracy"]
        yield (
            f"Accuracy on the training set is {_percent(metrics['train']['accuracy'])}, {100 * gap:.0f} points higher: "
            "the model overfits."
        )
    classes = metrics["per_class"].items()
    if never := [label for label, row in classes if row["support"] > 0 and row["precision"] is None]:
        yield f"Never predicted: {join_names(never)}."
    if absent := [label for label, row in classes if row["support"] == 0]:
        yield f"No test images, so no metrics: {join_names(absent)}."
    if few := [f"{label} ({row['support']})" for label, row in classes if 0 < row["support"] < _FEW]:
        yield f"Fewer than {_FEW} test images, so per-class metrics are imprecise: {join_names(few)}."
    half = 100 * (metrics["accuracy_high"] - metrics["accuracy_low"]) / 2
    yield (
        f"The accuracy is uncertain by about ±{half:.1f} points: the test set is a sample. To compare two models "
        "on the same images: pixmill compare."
    )
    yield (
        "The test images come from the same sources as the training images. Accuracy may be lower on images from "
        "elsewhere, with other backgrounds, lighting or cameras."
    )


def _overfits(metrics: Mapping[str, Any]) -> bool:
    return bool(metrics["train"]["accuracy"] - metrics["accuracy"] > _OVERFIT)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _percent(value: float) -> str:
    """Return a share as a percentage, with a no-break space before the unit."""
    return f"{100 * value:.1f}\u00a0%"
