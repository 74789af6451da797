"""What moved between two revisions, and why, in one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from pixmill.core.cells import cells_of
from pixmill.core.words import count, join_names, percent
from pixmill.evaluate.predictions import classes_in
from pixmill.experiments.compare.answers import MAX_CLASSES, head_of_table
from pixmill.experiments.compare.comparison import Comparison
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.heads import Head
from pixmill.metrics.arrays import Bools
from pixmill.metrics.significance import mcnemar

_UNDECIDED = "No clear difference"

_WORDS = {
    "better": "Better",
    "worse": "Worse",
    "same": "About the same",
    "undecided": _UNDECIDED,
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


class Shared(NamedTuple):
    """The images of both revisions.

    Args:
        n: Their number.
        right: Number of them that the head classifies correctly.
        lost: Number of them on which only the base is right, by the head's labels.
        gained: Number of them on which only the head is right.
        word: Verdict on them in words, with the metric that decided if it is not the accuracy.
        image: Name of one of them.
        what: What is counted with several labels an image, else empty.
    """

    n: int
    right: int
    lost: int
    gained: int
    word: str
    image: str = "test image"
    what: str = ""


@dataclass(frozen=True)
class Shift:
    """Why the accuracies of two revisions on their own test images differ.

    Args:
        same: Both on the images of both.
        corrected: Number of them whose label changed.
        new: Head on the test images that only it has.
        gone: Base on the test images that only it has.
        new_classes: Classes that only the head knows.
    """

    same: Shared
    corrected: int
    new: Group
    gone: Group
    new_classes: list[str]

    @property
    def sentence(self) -> str:
        """What moved; empty if nothing did."""
        causes = []
        if self.new.n:
            new = count(self.new.n, "new test image")
            causes.append(f"{new}{_hardness(self.new, self.same)} ({_share(self.new)})")
        if self.gone.n:
            gone = count(self.gone.n, "earlier test image")
            causes.append(f"without {gone} ({_share(self.gone)})")
        if self.corrected:
            causes.append(f"{count(self.corrected, 'label')} of test images changed")
        if self.new_classes:
            verb = "is" if len(self.new_classes) == 1 else "are"
            causes.append(f"{join_names(self.new_classes, MAX_CLASSES)} {verb} new")
        if not (self.same.lost or self.same.gained or causes):
            return ""
        return f"{'; '.join([_model(self.same), *causes])}."


def _model(same: Shared) -> str:
    images = f"on the same {count(same.n, same.image)}"
    if not same.n:
        return f"No {same.image} is in both"
    if not (same.lost or same.gained):
        return f"The same answers {images}"
    changes = f"{same.word} {images}: {same.lost} {same.what}worse, {same.gained} better"
    if same.what:
        return changes
    points = f"{100 * (same.gained - same.lost) / same.n:+.1f} points"
    points = points.replace("-", "\N{MINUS SIGN}")
    return f"{changes} ({points})"


def _hardness(new: Group, same: Shared) -> str:
    if min(new.n, same.n) < _MIN_IMAGES:
        return ""
    share = (new.right + same.right) / (new.n + same.n)
    error = math.sqrt(share * (1 - share) * (1 / new.n + 1 / same.n))
    gap = new.right / new.n - same.right / same.n
    if abs(gap) <= _DEVIATIONS * error:
        return ""
    return " are harder" if gap < 0 else " are easier"


def _share(images: Group) -> str:
    return f"{percent(images.right / images.n, 0)} right"


def find_shift(base: pd.DataFrame, head: pd.DataFrame) -> Shift:
    """Return why the accuracy on the test images differs.

    Args:
        base: ``predictions.parquet`` of the base.
        head: That of the head.
    """
    theirs = classes_in(map(str, base.columns))
    ours = classes_in(map(str, head.columns))
    before = _tested(base)
    after = _tested(head)
    same = before.merge(after, on="id", suffixes=("_base", "_head"))
    kind = head_of_table(head)
    both = [name for name in ours if name in theirs]
    same = same[~same["label_head"].isin({*theirs} ^ {*ours})]
    same = same[_are_known(same["label_head"], both)]
    was = kind.right(same["label_head"], same["predicted_base"], both)
    now = kind.right(same["label_head"], same["predicted_head"], both)
    test = mcnemar(was, now)
    what = "" if kind.is_exclusive else "images "
    word = _UNDECIDED
    if test.p < _SIGNIFICANT:
        word = _WORDS["better" if test.gained > test.lost else "worse"]
    return Shift(
        same=Shared(len(same), int(now.sum()), test.lost, test.gained, word, what=what),
        corrected=int((same["label_base"] != same["label_head"]).sum()),
        new=_rest(after, same.index, kind, ours),
        gone=_rest(before, same.index, kind, theirs),
        new_classes=[name for name in ours if name not in theirs],
    )


def headline(comparison: Comparison) -> str:
    """Return what moved and why; without common images, the verdict.

    Args:
        comparison: The comparison, whose verdict and images decide.
    """
    word = _WORDS[comparison.verdict]
    numbers = comparison.numbers
    base = comparison.base
    head = comparison.head
    if numbers is None or base is None or base.predictions is None or head.predictions is None:
        return word
    shift = find_shift(base.predictions, head.predictions)
    if numbers.metric != "accuracy":
        word += f" by {METRIC_NAMES[numbers.metric]}"
    gained = int(numbers.flips["gained"].sum())
    same = Shared(
        numbers.n,
        round(numbers.metrics[numbers.share].second * numbers.n),
        len(numbers.flips) - gained,
        gained,
        word,
        numbers.image,
        "answers " if shift.same.what else "",
    )
    return replace(shift, same=same).sentence or _WORDS[comparison.verdict]


def _tested(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return label and prediction of each test image by id, which is unique in honest tables."""
    rows = predictions[predictions["split"] == "test"].drop_duplicates("id")
    return rows.set_index("id")[["label", "predicted"]]


def _rest(tested: pd.DataFrame, shared: pd.Index, kind: Head, labels: Sequence[str]) -> Group:
    """Return the images that are not shared."""
    own = tested[~tested.index.isin(shared)]
    own = own[_are_known(own["label"], labels)]
    return Group(len(own), int(kind.right(own["label"], own["predicted"], labels).sum()))


def _are_known(texts: pd.Series[str], labels: Sequence[str]) -> Bools:
    """Return for which images the right answer about any of the labels is known."""
    return np.array([not cells_of(text).keys().isdisjoint(labels) for text in texts], bool)
