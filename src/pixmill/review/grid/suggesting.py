"""What to label next: a random sample, clusters, and suggestions by a head that is fitted to the labels so far.

Everything works on row numbers. The labels of the random sample measure the head and are never fitted to, and its
images have no suggestion before they are labelled.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Kind = Literal["sample", "cluster", "unsure", "probably", "like none"]

DROPPED = ""
"""The label of an image that was dropped: not shown, not fitted to, not measured."""

SAMPLE = 100
"""Default size of the random sample."""


class Section(NamedTuple):
    """Images that are shown together.

    Args:
        kind: Why they are together.
        label: The class of ``probably``; ``None`` for other kinds.
        rows: The images, the first to be labelled first.
    """

    kind: Kind
    label: str | None
    rows: Rows


class Proposal(NamedTuple):
    """What to label next.

    Args:
        sections: All images that have neither a label nor were dropped, each once, in the order of the page. Images
            without features are only in ``sample``, if at all.
        guess: For each row the position of the guessed class among the classes; -1 without a guess.
        belief: For each row the probability of the guessed class; 0 without a guess.
        words: Reasons why an image is shown, such as ``between frog and toad``.
        word: For each row the position of its reason in ``words``; -1 if it is not shown.
    """

    sections: list[Section]
    guess: npt.NDArray[np.int64]
    belief: Floats
    words: list[str]
    word: npt.NDArray[np.int64]


class Accuracy(NamedTuple):
    """Accuracy of the head on the labelled images of the random sample.

    Args:
        n: Number of these images.
        value: Share of correct predictions.
        low: Lower limit of the 95 % confidence interval.
        high: Upper limit.
        more: Number of further labels of the sample after which the interval would be at most ± 5 points wide; 0 if it
            is.
    """

    n: int
    value: float
    low: float
    high: float
    more: int


def sample_of(ids: Sequence[str], count: int = SAMPLE) -> Rows:
    """Return the rows of a random sample, drawn by a hash of the ids.

    A larger sample begins with the smaller one; images that are added leave the order of the others as it is.

    Args:
        ids: Ids of all images.
        count: Size of the sample.
    """
    raise NotImplementedError


def reduce(features: npt.NDArray[np.floating]) -> Floats:
    """Return vectors of at most 128 principal components of the standardised features.

    Args:
        features: Shape (n, width); a row of NaN for an image without features, whose vector is NaN, too.
    """
    raise NotImplementedError


def clusters(vectors: Floats, count: int) -> list[Rows]:
    """Return clusters by k-means, the largest first; the image nearest to the centre is the first of its cluster."""
    raise NotImplementedError


class Head:
    """A logistic regression on vectors.

    Args:
        names: The classes, sorted.
    """

    names: list[str]

    @classmethod
    def fit(cls, vectors: Floats, labels: Sequence[str]) -> "Head":
        """Fit to vectors and the label of each; at least two classes."""
        raise NotImplementedError

    def probabilities(self, vectors: Floats) -> Floats:
        """Return the probabilities of the classes, shape (n, classes)."""
        raise NotImplementedError


def propose(vectors: Floats, labels: Sequence[str | None], sample: Rows, classes: Sequence[str]) -> Proposal:
    """Return what to label next.

    Args:
        vectors: From :func:`reduce`.
        labels: The label of each image; ``None`` if it has none, :data:`DROPPED` if it was dropped.
        sample: Rows of the random sample.
        classes: All classes, in the order of the params; positions in ``guess`` refer to them.
    """
    raise NotImplementedError


def likes(vectors: Floats, examples: Sequence[int]) -> Rows:
    """Return all rows, the most similar to the examples (by cosine) first."""
    raise NotImplementedError


def accuracy(vectors: Floats, labels: Sequence[str | None], sample: Rows) -> Accuracy | None:
    """Return the accuracy, on the sample, of a head that is fitted to the labels outside of the sample.

    ``None`` if there are no labels of the sample, or labels of fewer than two classes outside of it.
    """
    raise NotImplementedError
