"""Predictions of a revision as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import YES
from pixmill.core.errors import ManifestError
from pixmill.core.words import join_names
from pixmill.evaluate.predictions import classes_in, held_out
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.heads import Head, head_of
from pixmill.metrics.arrays import Bools, Floats, Ints
from pixmill.metrics.probabilities import check_unit_interval, normalise

MAX_CLASSES = 5
"""Classes that a sentence names."""

Images = Literal["test", "validation", "held out"]
"""Images of a comparison: the test split, held-out images of the other splits, or both."""


@dataclass(frozen=True)
class SplitAnswers:
    """Predictions of a model, sorted by id.

    Args:
        ids: The images.
        actual: Their targets: class indices, or cells.
        values: Probabilities, shape (images, labels).
        thresholds: Probability from which the answer is yes, by label; empty if an image has one
            class.
        task: Their task.
    """

    ids: pd.Index
    actual: Ints
    values: Floats
    thresholds: Floats = field(default_factory=lambda: np.empty(0))
    task: str = "one_label"

    def at(self, ids: pd.Index) -> SplitAnswers:
        """Return the predictions of some of the images."""
        if len(ids) == len(self.ids):
            return self
        rows = self.ids.get_indexer(ids)
        return replace(self, ids=ids, actual=self.actual[rows], values=self.values[rows])

    @property
    def said(self) -> npt.NDArray[Any]:
        """Most probable classes; or which answers are yes, shape (images, labels)."""
        if not self.thresholds.size:
            return np.asarray(self.values.argmax(axis=1))
        return np.asarray(self.values >= self.thresholds)

    @property
    def right(self) -> Bools:
        """Which images are right; of several labels, all that are known."""
        agree = (self.said == self.actual) | (self.actual < 0)
        return np.asarray(agree.reshape(len(self.ids), -1).all(axis=1))

    def known(self, first: int) -> Bools:
        """Return for which images the right answer about the first labels is known."""
        if self.actual.ndim == 1:
            return self.actual < first
        return np.asarray((self.actual[:, :first] >= 0).any(axis=1))

    def with_targets(self, actual: Ints) -> SplitAnswers:
        """Return the predictions with other targets."""
        return replace(self, actual=actual)

    def count_relabelled(self, other: SplitAnswers) -> int:
        """Return the number of images that have other targets in other predictions of them."""
        differ = (self.actual != other.actual).reshape(len(self.ids), -1)
        return int(differ.any(axis=1).sum())


def describe_classes(*sides: tuple[str, Sequence[str]]) -> str:
    """Return the classes that only one of two sides has as text; empty if both have the same.

    Args:
        sides: Subject and verb, such as ``main has``, and classes of each side.
    """
    alone = []
    for (who, labels), (_, others) in (sides, sides[::-1]):
        own = [label for label in labels if label not in others]
        if own:
            alone.append(f"only {who} {join_names(own, MAX_CLASSES)}")
    return " and ".join(alone)


def predictions_of(revision: Revision) -> pd.DataFrame:
    """Return a revision's predictions.

    Raises:
        NotComparableError: There are none.
    """
    if revision.predictions is None:
        raise _incomparable(revision, "are missing")
    return revision.predictions


def head_of_table(predictions: pd.DataFrame) -> Head:
    """Return the head that made predictions: the column ``label`` holds cells or classes."""
    labels = predictions["label"]
    has_cells = len(labels) > 0 and labels.str.startswith("{", na=False).all()
    return head_of("labels" if has_cells else "one_label")


def _incomparable(revision: Revision, why: str) -> NotComparableError:
    return NotComparableError(f"Not comparable: the predictions of {name_of(revision)} {why}.")


def classes_of(revision: Revision) -> tuple[str, ...]:
    """Return the classes in the order of a revision's predictions.

    Raises:
        NotComparableError: There are no predictions, or they lack columns.
    """
    columns = [str(column) for column in predictions_of(revision).columns]
    labels = tuple(classes_in(columns))
    absent = [name for name in ("id", "split", "label") if name not in columns]
    if absent:
        raise _incomparable(revision, f"have no column {absent[0]}")
    if len(set(labels)) < max(2, len(labels)):
        raise _incomparable(revision, "do not have one column for each of at least two classes")
    return labels


def split_answers(
    revision: Revision, labels: Sequence[str], images: Images = "test"
) -> SplitAnswers:
    """Return the predictions of a revision.

    Args:
        revision: Revision with predictions.
        labels: Its classes, in the order of the result; others have the probability 0.
        images: The images.

    Raises:
        NotComparableError: An image occurs twice, a label is not a class, or probabilities do not
            add up to one.
    """
    predictions = predictions_of(revision)
    chosen = held_out(predictions)
    tested = predictions["split"] == "test"
    if images != "held out":
        chosen &= tested if images == "test" else ~tested
    rows = predictions[chosen].sort_values("id")
    ids = pd.Index(rows["id"])
    if ids.has_duplicates:
        twice = str(ids[ids.duplicated()][0])
        raise NotComparableError(
            f"Not comparable: image {twice} is twice in the predictions of {name_of(revision)}."
        )
    head = head_of_table(predictions)
    try:
        actual = head.targets(rows["label"], labels).astype(np.int64)
        said = None if head.is_exclusive else head.targets(rows["predicted"], labels) == YES
    except ManifestError as error:
        raise NotComparableError(
            f"Not comparable: in the predictions of {name_of(revision)}, {error.message}."
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotComparableError(
            f"Not comparable: the label {error.args[0]} in the predictions of {name_of(revision)} "
            "is not a class."
        ) from None
    if rows.empty:
        return SplitAnswers(ids, actual, np.empty((0, len(labels))), task=head.task)
    try:
        columns = rows.reindex(columns=[f"p_{label}" for label in labels], fill_value=0.0)
        values = columns.to_numpy(np.float64)
        values = normalise(values) if head.is_exclusive else check_unit_interval(values)
    except (TypeError, ValueError):
        raise NotComparableError(
            f"Not comparable: the probabilities in the predictions of {name_of(revision)} do not "
            "add up to one."
        ) from None
    if said is None:
        return SplitAnswers(ids, actual, values)
    # The lowest probability of a yes gives the same answers.
    thresholds = np.where(said, values, np.inf).min(axis=0)
    return SplitAnswers(ids, actual, values, thresholds, head.task)


def clusters_of(manifests: Iterable[pd.DataFrame | None], ids: pd.Index) -> npt.NDArray[np.object_]:
    """Return each image's cluster from the first manifest with clusters.

    An unlisted image is a cluster by itself.
    """
    own = ids.to_numpy(object)
    for manifest in manifests:
        if manifest is not None and "cluster" in manifest:
            known = manifest.drop_duplicates("id").set_index("id")["cluster"].reindex(ids)
            return np.where(known.isna(), own, known.astype(str).to_numpy(object))
    return own


def name_of(revision: Revision) -> str:
    """Return the name of a revision, within a sentence."""
    return "the workspace" if revision.is_workspace else revision.name
