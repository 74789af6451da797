"""The salt with which the splits have about the same share of every label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import YES, Matrix
from pixmill.core.params import SplitParams
from pixmill.split.grouping import TEST, VAL, places, sides_of

_MAX_HASHES = 5_000_000
"""Images times salts that are hashed, in a few seconds; at least :data:`_MIN_SALTS` are tried."""

_MIN_SALTS = 16

_FREQUENT = 10
"""Images with a label, of which some have to be in test and in val."""


def choose_salt(cells: Matrix, names: Sequence[str], params: SplitParams, salts: int = 256) -> str:
    """Return the salt whose worst label deviates least from its share.

    Of the salts ``"0"``, ``"1"``, … and that of the params. One with which test or val lacks a label
    of ten images is chosen only if all lack one. With very many images, fewer salts are tried.

    Args:
        cells: Cells, shape (images, labels).
        names: Id or group of each image.
        params: The section ``split``.
        salts: Number of salts besides that of the params.
    """
    groups, counts = _by_group(cells, names)
    tried = min(salts, max(_MIN_SALTS, _MAX_HASHES // max(1, len(groups))))
    candidates = [params.salt, *(str(salt) for salt in range(tried))]
    ranks = [_rank(*deviations(counts, groups, params, salt)) for salt in candidates]
    return candidates[min(range(len(ranks)), key=ranks.__getitem__)]


def deviations(
    counts: npt.NDArray[np.float32], groups: Sequence[str], params: SplitParams, salt: str
) -> tuple[int, npt.NDArray[np.float64]]:
    """Return the number of labels that test or val lacks, and the deviation of each label in both.

    Args:
        counts: Images with each label by group, shape (groups, labels).
        groups: Names of the groups.
        params: The section ``split``.
        salt: The salt.

    Returns:
        Labels of at least ten images without one in test or val; deviations of the number of images
        in standard errors, shape (2, labels).
    """
    sides = sides_of(places(groups, salt), val=params.val, test=params.test)
    shares = np.array([[params.test], [params.val]])
    inside = np.stack([sides == TEST, sides == VAL]).astype(np.float32) @ counts
    totals = counts.sum(axis=0, dtype=np.float64)
    squares = np.einsum("gl,gl->l", counts, counts, dtype=np.float64)
    errors = np.sqrt(shares * (1 - shares) * np.maximum(squares, 1))
    lacking = int(((inside == 0) & (totals >= _FREQUENT)).sum())
    return lacking, np.abs(inside - shares * totals) / errors


def _by_group(cells: Matrix, names: Sequence[str]) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return the groups, and the number of their images with each label."""
    groups, of = np.unique(np.asarray(names, object).astype(str), return_inverse=True)
    counts = np.zeros((len(groups), cells.shape[1]), np.float32)
    np.add.at(counts, of, cells == YES)
    return groups.tolist(), counts


def _rank(lacking: int, found: npt.NDArray[np.float64]) -> tuple[int, float]:
    return lacking, float(found.max(initial=0))
