"""What a simple model says of each picture's class that has seen neither the picture nor its near-duplicates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["FEWEST", "fold_numbers", "held_out_probabilities", "reduced"]

FEWEST = 10
"""Groups of a class below which nothing is said of its labels: each fold must leave enough to learn the class from."""

_FOLDS = 5
_TAUGHT = 20_000
"""The most pictures that one model learns from: more cost minutes and find hardly another label."""

_WIDTH = 128
"""Directions that are kept of the features: ten times as fast as all of them, and as good at finding wrong labels."""

_INVERSE_REGULARIZATION = 0.001
"""Simple enough not to learn the wrong labels by heart, which are to be found: measured on swapped labels."""

_STEPS = 200

_ROWS = 4096
"""Rows whose products are summed at a time, so that only they are held in double precision."""


def fold_numbers(targets: npt.NDArray[np.integer], groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of each picture's fold, from 0: a group is never divided, and classes are spread evenly.

    Groups are dealt out in turn, class by class, in the order of their names, which are digests and thus as good as
    dice; a group counts for the class of its first picture.

    Args:
        targets: Class indices, shape (pictures,).
        groups: Each picture's group.
    """
    table = pd.DataFrame({"group": np.asarray(groups, dtype=object), "target": np.asarray(targets)})
    first = table.groupby("group", sort=True)["target"].first().sort_values(kind="stable")
    # Dealt on from class to class, not anew in each: else the first folds would be the largest.
    fold_of = pd.Series(np.arange(len(first)) % _FOLDS, index=first.index)
    return table["group"].map(fold_of).to_numpy(np.int64)


def reduced(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return features in the few directions in which they differ most, each feature first made to vary alike.

    No label is looked at, so that nothing of a picture's label reaches the model that is to judge it.

    Args:
        features: Shape (pictures, features); constant ones do no harm.
    """
    chunks = [slice(start, start + _ROWS) for start in range(0, len(features), _ROWS)]
    centre = features.mean(axis=0, dtype=np.float64)
    # By chunks: NumPy's own deviation makes a copy of all in double precision.
    spread = np.sqrt(sum(((features[chunk] - centre) ** 2).sum(axis=0) for chunk in chunks) / len(features))
    # What varies by no more than rounding does not vary.
    scale = np.where(spread > 1e-9, 1 / np.maximum(spread, 1e-9), 0)
    covariance = np.zeros((features.shape[1], features.shape[1]))
    for chunk in chunks:
        standard = (features[chunk] - centre) * scale
        covariance += standard.T @ standard
    _, directions = np.linalg.eigh(covariance)
    first = directions[:, ::-1][:, :_WIDTH]
    return np.concatenate([((features[chunk] - centre) * scale) @ first for chunk in chunks])


def held_out_probabilities(
    features: npt.NDArray[np.float32],
    targets: npt.NDArray[np.integer],
    groups: Sequence[str],
    classes: int,
    *,
    threads: int,
) -> npt.NDArray[np.float64]:
    """Return each picture's probability of each class by logistic regression on the other folds.

    Args:
        features: Shape (pictures, features).
        targets: Class indices, shape (pictures,); each of ``classes`` occurs in at least :data:`FEWEST` groups.
        groups: Each picture's group; its members share a fold.
        classes: How many classes there are, at least two.
        threads: Threads that compute; part of the result, since another number rounds differently.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    folds = fold_numbers(targets, groups)
    found = np.zeros((len(targets), classes))
    with threadpool_limits(threads), warnings.catch_warnings():
        facts = reduced(features)
        # Probabilities to three digits are plenty here, whether or not the last steps were taken.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fold in range(_FOLDS):
            taught, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if not len(asked):
                continue
            taught = taught[:: -(-len(taught) // _TAUGHT)]
            model = LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=_STEPS)
            model.fit(facts[taught], targets[taught])
            found[np.ix_(asked, model.classes_)] = model.predict_proba(facts[asked])
    return found
