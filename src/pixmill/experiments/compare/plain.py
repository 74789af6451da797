"""What moved between two revisions, and why, in one plain sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from pixmill.core.words import count, join_names
from pixmill.experiments.compare.answers import MAX_CLASSES
from pixmill.experiments.compare.comparison import Comparison, Verdict
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.metrics.significance import mcnemar

_WORDS = {
    "better": "Better",
    "worse": "Worse",
    "same": "About the same",
    "undecided": "No clear difference",
    "not_comparable": "Not comparable",
}
"""Beginning of the sentence by verdict."""

_SIGNIFICANT = 0.05

_DEVIATIONS = 1.96
_MIN_IMAGES = 10
"""Standard errors beyond which images are harder or easier than others, and how many it takes."""


class Group(NamedTuple):
    """Number of images, and of those that a model classifies correctly."""

    n: int
    right: int

    @property
    def accuracy(self) -> float:
        """Share of correct predictions; 0 without images."""
        return self.right / max(1, self.n)


@dataclass(frozen=True)
class Shift:
    """Why the accuracies of two revisions on their own test images differ.

    Args:
        same: Head on the images of both.
        lost: Number of them on which only the base is right, by the head's labels.
        gained: Number of them on which only the head is right.
        word: Verdict on them in words, with the metric that decided if it is not the accuracy.
        image: Name of one of them, such as ``test image``.
        corrected: Number of them whose label changed.
        correction: Number of them on which the base became right by that, less those on which it
            became wrong.
        new: Head on the test images that only it has.
        gone: Base on the test images that only it has.
        new_classes: Classes that only the head knows.
        gone_classes: Classes that only the base knows.
    """

    same: Group
    lost: int
    gained: int
    word: str
    image: str
    corrected: int
    correction: int
    new: Group
    gone: Group
    new_classes: list[str]
    gone_classes: list[str]

    @property
    def sentence(self) -> str:
        """What moved; empty if nothing did."""
        causes = []
        if self.new.n:
            causes.append(f"{count(self.new.n, 'new test image')}{self._hardness()}")
        if self.gone.n:
            gone = f"{100 * self.gone.accuracy:.0f} % right"
            causes.append(f"without {count(self.gone.n, 'earlier test image')} ({gone})")
        if self.corrected:
            labels = count(self.corrected, "label")
            causes.append(f"{labels} of test images changed ({self._points(self.correction)})")
        for names, word in ((self.new_classes, "new"), (self.gone_classes, "gone")):
            if names:
                verb = "is" if len(names) == 1 else "are"
                causes.append(f"{join_names(names, MAX_CLASSES)} {verb} {word}")
        if not (self.lost or self.gained or causes):
            return ""
        return f"{'; '.join([self._model(), *causes])}."

    def _model(self) -> str:
        images = f"on the same {count(self.same.n, self.image)}"
        if not self.same.n:
            return f"No {self.image} is in both"
        if not (self.lost or self.gained):
            return f"The same answers {images}"
        moved = self._points(self.gained - self.lost)
        return f"{self.word} {images}: {self.lost} worse, {self.gained} better ({moved})"

    def _hardness(self) -> str:
        gap = self.new.accuracy - self.same.accuracy
        images = self.new.n + self.same.n
        share = (self.new.right + self.same.right) / images
        error = math.sqrt(share * (1 - share) * images / (self.new.n * max(1, self.same.n)))
        word = ""
        is_enough = min(self.new.n, self.same.n) >= _MIN_IMAGES
        if is_enough and abs(gap) > _DEVIATIONS * error:
            verb = "is" if self.new.n == 1 else "are"
            word = f" {verb} {'harder' if gap < 0 else 'easier'}"
        return f"{word} ({100 * self.new.accuracy:.0f} % right)"

    def _points(self, images: int) -> str:
        points = f"{100 * images / max(1, self.same.n):+.1f} points"
        return points.replace("-", "\N{MINUS SIGN}")


def find_shift(base: pd.DataFrame, head: pd.DataFrame) -> Shift:
    """Return why the accuracy on the test images differs.

    Args:
        base: ``predictions.parquet`` of the base.
        head: That of the head.
    """
    theirs = _classes(base)
    ours = _classes(head)
    before = _tested(base)
    after = _tested(head)
    same = before.merge(after, on="id", suffixes=("_base", "_head"))
    same = same[same["label_head"].isin({*theirs} & {*ours})]
    was = same["predicted_base"] == same["label_head"]
    now = same["predicted_head"] == same["label_head"]
    as_labelled = same["predicted_base"] == same["label_base"]
    test = mcnemar(was.to_numpy(), now.to_numpy())
    verdict: Verdict = "undecided"
    if test.p < _SIGNIFICANT:
        verdict = "better" if test.gained > test.lost else "worse"
    return Shift(
        same=Group(len(same), int(now.sum())),
        lost=test.lost,
        gained=test.gained,
        word=_WORDS[verdict],
        image="test image",
        corrected=int((same["label_base"] != same["label_head"]).sum()),
        correction=int(was.sum() - as_labelled.sum()),
        new=_rest(after, same.index),
        gone=_rest(before, same.index),
        new_classes=[name for name in ours if name not in theirs],
        gone_classes=[name for name in theirs if name not in ours],
    )


def headline(comparison: Comparison) -> str:
    """Return what moved and why; without common images, the verdict.

    Args:
        comparison: The comparison, whose verdict and images decide.
    """
    numbers = comparison.numbers
    base = comparison.base
    head = comparison.head
    if numbers is None or base is None or base.predictions is None or head.predictions is None:
        return _WORDS[comparison.verdict]
    right = round(numbers.metrics["accuracy"].second * numbers.n)
    word = _WORDS[comparison.verdict]
    if numbers.metric != "accuracy":
        word += f" by {METRIC_NAMES[numbers.metric]}"
    shift = replace(
        find_shift(base.predictions, head.predictions),
        same=Group(numbers.n, right),
        lost=numbers.mcnemar.lost,
        gained=numbers.mcnemar.gained,
        word=word,
        image=numbers.image,
    )
    return shift.sentence or _WORDS[comparison.verdict]


def _classes(predictions: pd.DataFrame) -> list[str]:
    names = map(str, predictions.columns)
    return [name.removeprefix("p_") for name in names if name.startswith("p_")]


def _tested(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return label and prediction of each test image by id, which is unique in honest tables."""
    rows = predictions[predictions["split"] == "test"].drop_duplicates("id")
    return rows.set_index("id")[["label", "predicted"]]


def _rest(tested: pd.DataFrame, shared: pd.Index) -> Group:
    """Return the images that are not shared."""
    own = tested[~tested.index.isin(shared)]
    return Group(len(own), int((own["label"] == own["predicted"]).sum()))
