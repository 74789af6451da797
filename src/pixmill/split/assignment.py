"""Where an image belongs, from a salted hash of its own id or of its group's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pixmill.images.parts import PARTS

__all__ = ["TEST", "TRAIN", "VAL", "Sides", "folds_of", "given_sides", "place", "places", "sides_of"]

Sides = npt.NDArray[np.int8]
"""The part of each image as its place among :data:`.PARTS`: the later a part, the higher its rank."""

TRAIN, VAL, TEST = (PARTS.index(part) for part in PARTS)


def place(name: str, salt: str) -> float:
    """Return where an image stands between 0 and 1, evenly spread and the same for ever.

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
    """Return the part that each image belongs to.

    Nothing but its name, the salt and the shares decide: no image changes sides when others come or go. The test part
    lies first, so that another share of ``val`` moves nothing in or out of it.

    Args:
        at: The images' places.
        val: Share of the validation part.
        test: Share of the test part.
    """
    return np.where(at < test, TEST, np.where(at < test + val, VAL, TRAIN)).astype(np.int8)


def given_sides(sides: Sides, given: Sides, at: npt.NDArray[np.float64], *, val: float) -> Sides:
    """Return the parts with those that people have given.

    Theirs are kept. Where they made no validation part, it is taken from their training part by the hash.

    Args:
        sides: The parts by the hash.
        given: Where people put each image; below 0 where they did not.
        at: The images' places.
        val: Share of the validation part, of what they gave for training.
    """
    divided = bool((given == VAL).any())
    training = given if divided else np.where(given == TRAIN, sides_of(at, val=val, test=0.0), given)
    return np.where(given < 0, sides, training).astype(np.int8)


def folds_of(names: Iterable[str], salt: str, count: int) -> npt.NDArray[np.int32]:
    """Return the fold of each image, from 0: of another hash than its part.

    Args:
        names: The images' ids, or the names of their groups.
        salt: ``split.salt``.
        count: How many folds there are; another number is another division.
    """
    # What is in train and val has no low places any more, so the fold needs dice of its own.
    return (places(names, f"{salt} folds ") * count).astype(np.int32)
