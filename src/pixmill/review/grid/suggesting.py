"""What to label next: a random sample, clusters, then suggestions.

A head makes the suggestions that is fitted to the labels so far.
Everything works on row numbers. The labels of the random sample measure the head and are never
fitted to, and images of the sample have no suggestion before they are labelled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.models.scaling import Scaling, principal_directions

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Labels = Sequence[str | None]

DROPPED = ""
"""The label of an image that was dropped: not shown, not fitted to, not measured."""

SAMPLE = 100
"""Default size of the random sample, which is at most a third of the images."""

_FITTED_ROWS = 5000
"""Maximum number of images that directions are fitted to."""

_CLUSTERED_ROWS = 2000
"""Maximum number of images that cluster centres are fitted to."""

_CHUNK_ROWS = 4096
"""Images whose features or similarities are in memory at a time."""

_DIRECTIONS = 128
"""With 64, heads of 2,000 labels are up to 1 point less accurate.

With 256, they are at most 0.4 points better.
"""

_INVERSE_REGULARIZATION = 12.8
"""The best of powers of ten, for 30 to 2,000 labels, on vectors of length 1."""

_MIN_LABELS = 10
"""Minimum number of labels outside of the sample for a head."""

_MIN_CLUSTERS = 10

_UNSURE = 24
"""Maximum number of unsure images, about a screen; they are selected from ten times as many."""

_SURE_MARGIN = 0.4
"""Difference of the two largest probabilities from which an image is not unsure."""

_NOVEL_SHARE = 0.05
"""Share of the labelled images that would be like none of the other labelled ones."""

_EXAMPLES = 1000
"""Maximum number of labelled images that others are compared with."""

_WRONG_BELIEF = 0.1
"""Probability of its label below which an image of the sample is shown again."""

_MAX_LOOKS = 3
"""How often an image of the sample is labelled while the head contradicts it.

With two, slips in the second labels,
also of images that were right before, make the accuracy too low.
"""

_Z = 1.96
"""Quantile of the normal distribution for confidence intervals of 95 %."""

_HALF_WIDTH = 0.05
"""A useful half width of the interval of an accuracy."""


class Section(NamedTuple):
    """Images that are shown together.

    Args:
        kind: Why they are together: ``sample``, ``cluster``, ``probably``, ``unsure``,
            ``like none``, ``again`` or, of a view, ``waiting``, ``asked`` or its sort. ``asked``: of a
            log, in the order in which answers count. ``again``: labelled
            images of the sample that are to be labelled again, without showing the label, since the
            head contradicts some of them.
        label: The class of ``probably``, or of the view; ``None`` for other kinds.
        rows: The images, the first to be labelled first.
    """

    kind: str
    label: str | None
    rows: Rows


class Proposal(NamedTuple):
    """What to label next.

    Args:
        sections: The images to label, each once, in the order of the page. Images without features
            are only in ``sample``, if at all.
        guess: For each row the position of the guessed class among the classes; -1 without a guess.
        belief: For each row the probability of the guessed class; 0 without a guess.
        words: Reasons why an image is shown, such as ``frog / toad``.
        word: For each row the position of its reason in ``words``; -1 if it is not shown.
    """

    sections: list[Section]
    guess: Rows
    belief: Floats
    words: list[str]
    word: Rows


class Accuracy(NamedTuple):
    """Accuracy of the head on the labelled images of the random sample.

    Args:
        n: Number of these images.
        value: Share of correct predictions.
        low: Lower limit of the 95 % confidence interval.
        high: Upper limit.
        more: Number of further labels of the sample after which the interval would be at most 10
            points wide.
    """

    n: int
    value: float
    low: float
    high: float
    more: int


def sample_of(ids: Sequence[str], count: int) -> Rows:
    """Return the rows of a random sample, drawn by a hash of the ids.

    A larger sample begins with the smaller one; images that are added leave the order of the others
    as it is.

    Args:
        ids: Ids of all images.
        count: Size of the sample.
    """
    ranks = [sha256(f"sample {name}".encode()).digest() for name in ids]
    return np.array(sorted(range(len(ids)), key=ranks.__getitem__)[:count], np.int64)


def reduce(features: npt.NDArray[np.floating]) -> Floats:
    """Return vectors of length 1: at most 128 principal components of standardised features.

    Args:
        features: Shape (n, width); a row of NaN for an image without features, whose vector is NaN,
            too.
    """
    ready = np.flatnonzero(np.isfinite(features[:, 0]))
    if not len(ready):
        return np.full((len(features), 1), np.nan, np.float32)
    fitted = features[_spread(ready, _FITTED_ROWS)].astype(np.float32)
    scaling = Scaling.of(fitted, several=True)
    directions = principal_directions(fitted, scaling, _DIRECTIONS) / scaling.deviation[:, None]
    width = directions.shape[1]
    vectors = np.full((len(features), max(1, width)), np.nan, np.float32)
    vectors[ready] = 0
    for start in range(0, len(features), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        found = (features[rows] - scaling.mean.astype(np.float32)) @ directions.astype(np.float32)
        vectors[rows, :width] = found / np.maximum(
            np.linalg.norm(found, axis=1, keepdims=True), 1e-9
        )
    return vectors


def clusters(vectors: Floats, count: int) -> list[Rows]:
    """Return clusters by k-means, the largest first.

    The image nearest to the centre is the first of its cluster.
    """
    ready = np.flatnonzero(np.isfinite(vectors[:, 0]))
    if not len(ready):
        return []
    from sklearn.cluster import KMeans

    fitted = vectors[_spread(ready, _CLUSTERED_ROWS)]
    means = KMeans(min(count, len(np.unique(fitted, axis=0))), n_init=1, random_state=0).fit(fitted)
    nearest = means.predict(vectors[ready])
    distances = means.transform(vectors[ready]).min(axis=1)
    order = np.argsort(distances, kind="stable")
    found = [ready[order[nearest[order] == number]] for number in range(means.n_clusters)]
    return sorted((rows for rows in found if len(rows)), key=len, reverse=True)


def fit_head(vectors: Floats, labels: Sequence[str]) -> LogisticRegression:
    """Return a logistic regression on vectors with the label of each; at least two classes."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=300, tol=1e-3)
    return model.fit(vectors, labels)


def propose(
    vectors: Floats,
    labels: Labels,
    sample: Rows,
    classes: Sequence[str],
    *,
    refused: Collection[tuple[int, str]] = (),
    looks: Sequence[int] | None = None,
) -> Proposal:
    """Return what to label next.

    Clusters are shown until each class has a label, or each cluster.

    Args:
        vectors: From :func:`reduce`.
        labels: The label of each image; ``None`` if it has none, :data:`DROPPED` if it was dropped.
        sample: Rows of the random sample.
        classes: All classes, in the order of the params; positions in ``guess`` refer to them.
        refused: Rows with a class that they are not: images that a person left out of a selection.
            They are no longer suggested for it.
        looks: How often each image was labelled. Default: no image is shown again.
    """
    known = np.array([label is not None for label in labels], bool)
    sampled = np.isin(np.arange(len(known)), sample)
    given = (
        np.isin(np.arange(len(known)), _labelled(labels)) & ~sampled & np.isfinite(vectors[:, 0])
    )
    open_rows = ~known & ~sampled & np.isfinite(vectors[:, 0])
    shown = _Shown(len(known))
    shown.add("sample", sample[~known[sample]], "random sample")
    seen = {labels[row] for row in np.flatnonzero(given).tolist()}
    ready = given.sum() >= _MIN_LABELS and len(seen) >= 2
    if not (ready and seen >= set(classes)):
        groups = clusters(vectors, max(_MIN_CLUSTERS, 2 * len(classes)))
        # Those without a known image come first; once there are none, a head knows better.
        is_known = [bool((known & ~sampled)[rows].any()) for rows in groups]
        has_new = any(
            open_rows[rows].any() and not old for rows, old in zip(groups, is_known, strict=True)
        )
        if has_new or not ready:
            _show_clusters(shown, groups, open_rows, is_known)
            return shown.proposal()
    rows = np.flatnonzero(open_rows)
    fitted = np.flatnonzero(given)
    head = fit_head(vectors[fitted], [str(labels[row]) for row in fitted.tolist()])
    _suggest(shown, head, vectors, rows, fitted, classes, refused)
    if looks is not None:
        shown.add("again", _contradicted(head, vectors, labels, sample, looks), "random sample")
    return shown.proposal()


def _show_clusters(
    shown: _Shown, groups: Sequence[Rows], open_rows: Mask, is_known: Sequence[bool]
) -> None:
    """Add the clusters, those without a known image first."""
    for old in (False, True):
        for rows, is_old in zip(groups, is_known, strict=True):
            if is_old == old:
                shown.add("cluster", rows[open_rows[rows]], "similar images")


def likes(vectors: Floats, examples: Sequence[int]) -> Rows:
    """Return the rows of all images with features, by cosine to the examples."""
    near = _nearest(vectors, vectors[list(examples)])
    near[list(examples)] = np.inf
    return np.argsort(-near, kind="stable")[: np.isfinite(vectors[:, 0]).sum()]


def accuracy(vectors: Floats, labels: Labels, sample: Rows) -> Accuracy | None:
    """Return the accuracy, on the sample, of a head that is fitted to the other labels.

    ``None`` if there are no labels of the sample, or too few outside of it. The interval is by
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.
    """
    labelled = _labelled(labels)
    labelled = labelled[np.isfinite(vectors[labelled, 0])]
    measured = labelled[np.isin(labelled, sample)]
    fitted = labelled[~np.isin(labelled, sample)]
    answers = [str(labels[row]) for row in fitted]
    if not len(measured) or len(fitted) < _MIN_LABELS or len(set(answers)) < 2:
        return None
    head = fit_head(vectors[fitted], answers)
    value = float(head.score(vectors[measured], [str(labels[row]) for row in measured]))
    counts = np.arange(len(measured), len(measured) + 1000)
    centres = (value + _Z**2 / (2 * counts)) / (1 + _Z**2 / counts)
    widths = (
        _Z * np.sqrt(value * (1 - value) / counts + _Z**2 / (4 * counts**2)) / (1 + _Z**2 / counts)
    )
    low = float(centres[0] - widths[0])
    high = float(centres[0] + widths[0])
    return Accuracy(
        len(measured), value, max(0.0, low), min(1.0, high), int(np.argmax(widths <= _HALF_WIDTH))
    )


class _Shown:
    """The sections, as they are filled, of a number of images."""

    def __init__(self, count: int) -> None:
        self.sections: list[Section] = []
        self.guess = np.full(count, -1, np.int64)
        self.word = np.full(count, -1, np.int64)
        self.belief = np.zeros(count, np.float32)
        self._words: dict[str, int] = {}

    def add(
        self, kind: str, rows: Rows, words: str | Sequence[str], label: str | None = None
    ) -> None:
        """Add a section unless it is empty, with the reason of all its images, or of each."""
        if len(rows):
            self.sections.append(Section(kind, label, rows))
            for row, word in zip(
                rows.tolist(), [words] * len(rows) if isinstance(words, str) else words, strict=True
            ):
                self.word[row] = self._words.setdefault(word, len(self._words))

    def proposal(self) -> Proposal:
        """Return the result."""
        return Proposal(self.sections, self.guess, self.belief, list(self._words), self.word)


def _suggest(
    shown: _Shown,
    head: LogisticRegression,
    vectors: Floats,
    rows: Rows,
    fitted: Rows,
    classes: Sequence[str],
    refused: Collection[tuple[int, str]],
) -> None:
    """Add the sections of a head: probable images of each class, unsure ones, like none."""
    if not len(rows):
        return
    names = head.classes_.tolist()
    places = np.array([classes.index(name) if name in classes else -1 for name in names])
    probabilities = head.predict_proba(vectors[rows])
    for row, name in refused:
        place = int(np.searchsorted(rows, row))
        if name in names and place < len(rows) and rows[place] == row:
            probabilities[place, names.index(name)] = 0
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-9)
    second, first = probabilities.argsort(axis=1)[:, -2:].T
    each = np.arange(len(rows))
    belief = probabilities[each, first]
    margin = belief - probabilities[each, second]
    shown.guess[rows] = places[first]
    shown.belief[rows] = belief
    examples = vectors[_spread(fitted, _EXAMPLES)]
    own = examples @ examples.T
    np.fill_diagonal(own, -1)
    near = _nearest(vectors[rows], examples)
    novel = near < np.quantile(own.max(axis=1), _NOVEL_SHARE)
    unsure = _diverse(vectors[rows], margin, near)

    def word(place: int) -> str:
        if novel[place]:
            return "new region"
        one = names[first[place]]
        two = names[second[place]]
        return f"probably {one}" if margin[place] >= _SURE_MARGIN else f"{one} / {two}"

    rest = ~np.isin(each, unsure)
    for number, name in enumerate(names):
        members = np.flatnonzero(rest & ~novel & (first == number))
        members = members[np.argsort(-belief[members], kind="stable")]
        shown.add("probably", rows[members], [word(place) for place in members.tolist()], name)
    shown.add("unsure", rows[unsure], [word(place) for place in unsure.tolist()])
    strange = np.flatnonzero(rest & novel)
    shown.add("like none", rows[strange[np.argsort(near[strange], kind="stable")]], "like none")


def _diverse(vectors: Floats, margin: Floats, near: Floats) -> Rows:
    """Return a screen of unsure images: unlike one another, not near to labelled ones."""
    candidates = np.flatnonzero(margin < _SURE_MARGIN)
    candidates = candidates[np.argsort(margin[candidates], kind="stable")][: 10 * _UNSURE]
    nearest = near[candidates].copy()
    chosen = []
    for _ in range(min(_UNSURE, len(candidates))):
        best = int(np.argmax((1 - margin[candidates]) * (1 - nearest)))
        chosen.append(candidates[best])
        nearest = np.maximum(nearest, vectors[candidates] @ vectors[candidates[best]])
        nearest[best] = np.inf
    return np.array(chosen, np.int64)


def _contradicted(
    head: LogisticRegression,
    vectors: Floats,
    labels: Labels,
    sample: Rows,
    looks: Sequence[int],
) -> Rows:
    """Return labelled images of the sample to label again, in order of the sample.

    They are those that the head contradicts, each with another one, which makes it a blind test.
    """
    rows = np.array(
        [row for row in sample.tolist() if labels[row] and np.isfinite(vectors[row, 0])], np.int64
    )
    if not len(rows):
        return rows
    columns = {name: place for place, name in enumerate(head.classes_)}
    probabilities = np.pad(
        head.predict_proba(vectors[rows]), ((0, 0), (0, 1))
    )  # The last is for unknown classes.
    believed = probabilities[
        np.arange(len(rows)), [columns.get(str(labels[row]), -1) for row in rows]
    ]
    count = np.array([looks[row] for row in rows])
    wrong = (count < _MAX_LOOKS) & (believed < _WRONG_BELIEF)
    found: Rows = rows[wrong | ((count < 2) & np.roll(wrong, len(rows) // 2))]
    return found


def _labelled(labels: Labels) -> Rows:
    """Return the rows with a label, without those that were dropped."""
    return np.array([row for row, label in enumerate(labels) if label], np.int64)


def _nearest(vectors: Floats, examples: Floats) -> Floats:
    """Return the cosine of each vector to the most similar example."""
    found = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        found[start : start + _CHUNK_ROWS] = (
            vectors[start : start + _CHUNK_ROWS] @ examples.T
        ).max(axis=1)
    return found


def _spread(rows: Rows, count: int) -> Rows:
    """Return at most this many of the rows, evenly spaced."""
    return (
        rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    )
