"""Images with a near-duplicate, or a member of their group, in another split: which are dropped, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.split.assignment import TRAIN, VAL, Sides

REASONS = {
    "straddles": "a near-duplicate of it, or the same image, is in a higher-ranking split (test, then val, then train)",
    "straddles_group": "another image of its group is in a higher-ranking predefined split (test over val over train)",
    "straddles_folds": "a near-duplicate of it, or the same image, is in another fold",
}
"""Every word that split writes, with its meaning; in the manifest it is ``word:<id>``, of the image that stays.

Test ranks above val, and val above train.
"""


Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitConstraints:
    """Which of n images must not be in different splits.

    Args:
        a: One image of each pair, by its row.
        b: The other.
        sets: Arrays of n numbers each: images with the same number are linked, those below 0 are not.
    """

    a: Rows
    b: Rows
    sets: Sequence[Rows] = ()


def nearest(wanted: npt.NDArray[np.bool_], links: SplitConstraints) -> Rows:
    """Return for each image the first of the wanted ones that it is linked to; n where there is none.

    A wanted image may find itself in a set.

    Args:
        wanted: Whether each of the n images is wanted.
        links: The links.
    """
    count = len(wanted)
    found = np.full(count, count, np.int64)
    for one, other in ((links.a, links.b), (links.b, links.a)):
        chosen = wanted[other]
        np.minimum.at(found, one[chosen], other[chosen])
    for numbers in links.sets:
        # One place more than there are sets: those below 0 read the last.
        first = np.full(int(numbers.max(initial=-1)) + 2, count, np.int64)
        rows = np.flatnonzero(wanted & (numbers >= 0))
        np.minimum.at(first, numbers[rows], rows)
        np.minimum(found, first[numbers], out=found)
    return found


def straddlers(sides: Sides, *kinds: SplitConstraints) -> tuple[Rows, Rows]:
    """Return which images must go, so that no link crosses parts.

    Of a link across parts the image in train goes, else the one in val: the test part keeps its images, whatever is
    trained on. Val is decided first, against test alone; then train, against what val keeps. So the result does not
    depend on the order of the links, and a train image stays whose only likeness was dropped from val.

    Args:
        sides: The part of each image.
        kinds: The links between them, by kind.

    Returns:
        For each image the row of the one because of which it goes, the first that there is of the first kind that
        there is, and the number of that kind; -1 where it stays.
    """
    against, kind = np.full(len(sides), -1, np.int64), np.full(len(sides), -1, np.int64)
    for side in (VAL, TRAIN):
        staying = (sides > side) & (against < 0)
        for number, links in enumerate(kinds):
            found = nearest(staying, links)
            losing = (sides == side) & (found < len(sides)) & (against < 0)
            against[losing], kind[losing] = found[losing], number
    return against, kind


def fold_straddlers(folds: npt.NDArray[np.int32], links: SplitConstraints) -> Rows:
    """Return for each image -1, or where it must go the row of the one in another fold that it is linked to.

    No fold ranks above another: in the order of the rows, which is that of the ids, an image goes where one before it
    stays in another fold.

    Args:
        folds: The fold of each image; below 0 where it has none.
        links: The links between them.
    """
    count = len(folds)
    against = np.full(count, -1, np.int64)
    lower, upper = np.minimum(links.a, links.b), np.maximum(links.a, links.b)
    apart = crosses_splits(folds, links)
    lower, upper = lower[apart], upper[apart]
    order = np.lexsort((lower, upper))
    before: dict[int, list[int]] = {}
    for one, other in zip(lower[order].tolist(), upper[order].tolist(), strict=True):
        before.setdefault(other, []).append(one)
    members = [np.flatnonzero((numbers >= 0) & (folds >= 0)) for numbers in links.sets]
    stays: dict[tuple[int, int], int] = {}
    # When an image's turn comes, all before it are decided, and those of a set that stay are in one fold.
    for row in np.unique(np.concatenate([upper, *members])).tolist():
        sets = [(place, int(numbers[row])) for place, numbers in enumerate(links.sets) if numbers[row] >= 0]
        rivals = [stays[key] for key in sets if key in stays and folds[stays[key]] != folds[row]]
        rivals += [one for one in before.get(row, ()) if against[one] < 0]
        if rivals:
            against[row] = min(rivals)
        else:
            for key in sets:
                stays.setdefault(key, row)
    return against


def crosses_splits(sides: npt.NDArray[np.integer], links: SplitConstraints) -> npt.NDArray[np.bool_]:
    """Describe for each pair whether its images are both on a side, and on two; below 0 is none."""
    one, other = sides[links.a], sides[links.b]
    apart: npt.NDArray[np.bool_] = (one >= 0) & (other >= 0) & (one != other)
    return apart
