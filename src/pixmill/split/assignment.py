"""Where an image belongs, from a salted hash of its own id or of its group's name."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.images.parts import PARTS

Sides = npt.NDArray[np.int8]
"""The split of each image as an index into :data:`.PARTS`: the later a split, the higher its rank."""

TRAIN, VAL, TEST = (PARTS.index(part) for part in PARTS)


def place(name: str, salt: str) -> float:
    """Return a number from 0 to 1 for an image: uniform over images, and always the same for one.

    Args:
        name: The image's id, or the name of its group.
        salt: ``split.salt``; another salt is another split.
    """
    digest = hashlib.sha256(f"{salt}{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def places(names: Iterable[str], salt: str) -> npt.NDArray[np.float64]:
    """Return the :func:`place` of each."""
    return np.fromiter((place(name, salt) for name in names), np.float64)


def sides_of(at: npt.NDArray[np.float64], *, val: float, test: float) -> Sides:
    """Return the split of each image.

    Only its name, the salt and the shares decide, so that no image changes its split when others come or go. Test comes
    first, so that another share of ``val`` moves nothing in or out of it.

    Args:
        at: The images' places.
        val: Share of validation images.
        test: Share of test images.
    """
    return np.where(at < test, TEST, np.where(at < test + val, VAL, TRAIN)).astype(np.int8)


def keep_given(sides: Sides, given: Sides, at: npt.NDArray[np.float64], *, val: float) -> Sides:
    """Return the splits, with given ones kept.

    Where no validation split was given, it is drawn from the given training split by the hash.

    Args:
        sides: The splits by the hash.
        given: The given split of each image; below 0 where there is none.
        at: The images' places.
        val: Share of validation images in the given training split.
    """
    divided = bool((given == VAL).any())
    training = given if divided else np.where(given == TRAIN, sides_of(at, val=val, test=0.0), given)
    return np.where(given < 0, sides, training).astype(np.int8)


def folds_of(names: Iterable[str], salt: str, count: int) -> npt.NDArray[np.int32]:
    """Return the fold of each image, from 0, by another hash than its split.

    Args:
        names: The images' ids, or the names of their groups.
        salt: ``split.salt``.
        count: How many folds there are; another number is another division.
    """
    # The hash that chose the split is not uniform within train and val, so folds need another.
    return (places(names, f"{salt} folds ") * count).astype(np.int32)


def given_sides(images: pd.DataFrame) -> Sides:
    """Return the given split of each image; below 0 where there is none."""
    return pd.Index(PARTS).get_indexer(pd.Index(images["given_split"].to_numpy(object))).astype(np.int8)
