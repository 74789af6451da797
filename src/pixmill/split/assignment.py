"""Split and fold of an image, from a salted hash of its id or group name."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.images.parts import PARTS

Sides = npt.NDArray[np.int8]
"""Split of each image as an index into :data:`.PARTS`, which is sorted by rank."""

TRAIN, VAL, TEST = (PARTS.index(part) for part in PARTS)


def place(name: str, salt: str) -> float:
    """Return a hash of an image from 0 to 1, uniformly distributed.

    Args:
        name: Image id or group name.
        salt: ``split.salt``; another salt gives another split.
    """
    digest = hashlib.sha256(f"{salt}{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def places(names: Iterable[str], salt: str) -> npt.NDArray[np.float64]:
    """Return the :func:`place` of each name."""
    return np.fromiter((place(name, salt) for name in names), np.float64)


def sides_of(at: npt.NDArray[np.float64], *, val: float, test: float) -> Sides:
    """Return the split of each image.

    An image keeps its split when others are added or removed. Test comes first, so changing the share of ``val`` does
    not change the test split.

    Args:
        at: Hash of each image, see :func:`place`.
        val: Share of validation images.
        test: Share of test images.
    """
    return np.where(at < test, TEST, np.where(at < test + val, VAL, TRAIN)).astype(np.int8)


def keep_given(sides: Sides, given: Sides, at: npt.NDArray[np.float64], *, val: float) -> Sides:
    """Return the splits, replaced by predefined ones where they exist.

    Without a predefined validation split, it is drawn from the predefined training split.

    Args:
        sides: Splits according to the hash.
        given: Predefined split of each image; negative if there is none.
        at: Hash of each image, see :func:`place`.
        val: Share of validation images in the given training split.
    """
    has_val = bool((given == VAL).any())
    training = given if has_val else np.where(given == TRAIN, sides_of(at, val=val, test=0.0), given)
    return np.where(given < 0, sides, training).astype(np.int8)


def folds_of(names: Iterable[str], salt: str, count: int) -> npt.NDArray[np.int32]:
    """Return the fold of each image, from 0.

    Args:
        names: Image ids or group names.
        salt: ``split.salt``.
        count: Number of folds.
    """
    # The hash of the split is not uniform within train and val, so folds need another one.
    return (places(names, f"{salt} folds ") * count).astype(np.int32)


def given_sides(images: pd.DataFrame) -> Sides:
    """Return the predefined split of each image; negative if there is none."""
    return pd.Index(PARTS).get_indexer(pd.Index(images["given_split"].to_numpy(object))).astype(np.int8)
