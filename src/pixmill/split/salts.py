"""The salt with which the splits have about the same share of every label."""

from collections.abc import Sequence

import numpy as np

from pixmill.core.cells import NO, YES, Matrix
from pixmill.core.params import SplitParams
from pixmill.split.grouping import TEST, VAL, Flags, Floats, places, sides_of

_MAX_HASHES = 5_000_000
"""Images times salts that are hashed, in a few seconds; at least :data:`_MIN_SALTS` are tried."""

_MIN_SALTS = 16
_MAX_SALTS = 256

_FREQUENT = 10
"""Images with an answer, of which some have to be in test and in val."""


def choose_salt(cells: Matrix, names: Sequence[str], params: SplitParams) -> str:
    """Return the salt whose worst answer, yes or no about a label, deviates least from its share.

    Of the salts ``"0"``, ``"1"``, … and that of the params, those come first with which both test
    and val have all answers of at least ten images. With very many images, fewer salts are tried.

    Args:
        cells: Cells, shape (images, labels).
        names: Id or group of each image.
        params: The section ``split``.
    """
    tried = min(_MAX_SALTS, max(_MIN_SALTS, _MAX_HASHES // max(1, len(names))))
    candidates = [params.salt, *map(str, range(tried))]
    answers = np.hstack([cells == YES, cells == NO])
    inside, found = deviations(answers, names, params, candidates)
    lacking = (inside == 0) & (answers.sum(axis=0) >= _FREQUENT)[:, None]
    worst = found.max(axis=(0, 1), initial=0)
    best = int(np.lexsort((worst, lacking.sum(axis=(0, 1))))[0])
    return candidates[best]


def deviations(
    answers: Flags, names: Sequence[str], params: SplitParams, salts: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return how many images of each answer are in test and val, and how far that is from its share.

    Args:
        answers: Whether each image has each answer, shape (images, answers).
        names: Id or group of each image.
        params: The section ``split``.
        salts: The salts.

    Returns:
        Numbers of images, and their deviations in standard errors; both of shape (2, answers,
        salts), for test and val.
    """
    from scipy.sparse import coo_array

    groups, of = np.unique(np.asarray(names, str), return_inverse=True)
    rows, columns = np.nonzero(answers)
    ones = np.ones(len(rows), np.float32)
    counts = coo_array((ones, (columns, of[rows])), shape=(answers.shape[1], len(groups))).tocsr()
    sides = np.stack(
        [sides_of(places(groups, salt), val=params.val, test=params.test) for salt in salts]
    )
    inside = np.stack([counts @ (sides == part).T.astype(np.float32) for part in (TEST, VAL)])
    shares = np.array([params.test, params.val])[:, None, None]
    totals = counts.sum(axis=1)[:, None]
    # Images of a group are in one split, so a large group counts for more.
    errors = np.sqrt(shares * (1 - shares) * np.maximum(counts.power(2).sum(axis=1), 1)[:, None])
    return inside, np.abs(inside - shares * totals) / errors
