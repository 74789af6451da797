"""What moved between two revisions, and why, in one plain sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from pixmill.core.words import count, join_names
from pixmill.experiments.compare.answers import MAX_CLASSES
from pixmill.experiments.compare.comparison import Comparison, Verdict
from pixmill.metrics.significance import mcnemar

_WORDS: dict[Verdict, str] = {
    "better": "Better",
    "worse": "Worse",
    "same": "About the same",
    "undecided": "No clear difference",
    "not_comparable": "Not comparable",
}

_SIGNIFICANT = 0.05

_DEVIATIONS = 1.96
"""Standard errors beyond which the accuracies of two groups of images differ."""


@dataclass(frozen=True)
class Group:
    """Images, and how many of them a model classifies correctly."""

    n: int
    right: int

    @property
    def accuracy(self) -> float:
        """Share of correct predictions; 0 without images."""
        return self.right / max(1, self.n)

    def differs(self, other: Group) -> bool:
        """Return whether the accuracies differ by more than chance."""
        n = self.n + other.n
        share = (self.right + other.right) / max(1, n)
        error = math.sqrt(share * (1 - share) * n / max(1, self.n * other.n))
        return abs(self.accuracy - other.accuracy) > _DEVIATIONS * error


@dataclass(frozen=True)
class Shift:
    """Why the accuracies of two revisions on their own test images differ.

    Args:
        before: Base on the images of both, with the head's labels.
        after: Head on the same images.
        lost: Number of them on which only the base is right.
        gained: Number of them on which only the head is right.
        word: Verdict on the same images.
        image: Name of an image of both, such as ``test image``.
        corrected: Number of them whose label changed.
        correction: Change of the base's accuracy by these labels.
        new: Head on the test images that only it has.
        gone: Base on the test images that only it has.
        new_classes: Classes that only the head knows.
        gone_classes: Classes that only the base knows.
    """

    before: Group
    after: Group
    lost: int
    gained: int
    word: Verdict
    image: str
    corrected: int
    correction: float
    new: Group
    gone: Group
    new_classes: tuple[str, ...]
    gone_classes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What moved; empty if nothing did."""
        causes = [*self._other_images(), *self._other_labels()]
        if not (self.lost or self.gained or causes):
            return ""
        return f"{'; '.join([self._same_images(), *causes])}."

    def _same_images(self) -> str:
        if not self.after.n:
            return f"No {self.image} is in both"
        images = f"on the same {count(self.after.n, self.image)}"
        if not (self.lost or self.gained):
            return f"No difference {images}"
        moved = _points(self.after.accuracy - self.before.accuracy)
        return f"{_WORDS[self.word]} {images}: {self.lost} worse, {self.gained} better ({moved})"

    def _other_images(self) -> list[str]:
        found = []
        for group, same, noun in (
            (self.new, self.after, "new test image"),
            (self.gone, self.before, "earlier test image"),
        ):
            if group.n:
                is_new = group is self.new
                verb = "is" if group.n == 1 else "are"
                hard = "harder" if group.accuracy < same.accuracy else "easier"
                text = count(group.n, noun) + ("" if is_new else f" {verb} gone")
                if is_new and same.n and group.differs(same):
                    text += f" {verb} {hard}"
                found.append(f"{text} ({100 * group.accuracy:.0f} % right)")
        return found

    def _other_labels(self) -> list[str]:
        found = []
        if self.corrected:
            labels = count(self.corrected, "label")
            found.append(f"{labels} of test images changed ({_points(self.correction)})")
        for names, word in ((self.new_classes, "new"), (self.gone_classes, "gone")):
            if names:
                verb = "is" if len(names) == 1 else "are"
                found.append(f"{join_names(names, MAX_CLASSES)} {verb} {word}")
        return found


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
    word: Verdict = "undecided"
    if test.p < _SIGNIFICANT:
        word = "better" if test.gained > test.lost else "worse"
    return Shift(
        before=Group(len(same), int(was.sum())),
        after=Group(len(same), int(now.sum())),
        lost=test.lost,
        gained=test.gained,
        word=word,
        image="test image",
        corrected=int((same["label_base"] != same["label_head"]).sum()),
        correction=float(was.sum() - as_labelled.sum()) / max(1, len(same)),
        new=_rest(after, same.index),
        gone=_rest(before, same.index),
        new_classes=tuple(name for name in ours if name not in theirs),
        gone_classes=tuple(name for name in theirs if name not in ours),
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
    accuracy = numbers.metrics["accuracy"]
    shift = replace(
        find_shift(base.predictions, head.predictions),
        before=Group(numbers.n, round(accuracy.first * numbers.n)),
        after=Group(numbers.n, round(accuracy.second * numbers.n)),
        lost=numbers.mcnemar.lost,
        gained=numbers.mcnemar.gained,
        word=comparison.verdict,
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


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "\N{MINUS SIGN}")
