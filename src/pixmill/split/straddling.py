"""Images dropped because a near-duplicate or a member of their group is in another split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.split.grouping import TRAIN, VAL, Sides

REASONS = {
    "straddles": "a near-duplicate of it, or the same image, is in a higher-ranking split (test, then val, then train)",
    "straddles_group": "another image of its group is in a higher-ranking predefined split (test over val over train)",
    "straddles_folds": "a near-duplicate of it, or the same image, is in another fold",
}
"""Reasons of split and their meaning; the manifest has ``<reason>:<id>`` with the id of the image that stays."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitConstraints:
    """Links between images that must not be in different splits.

    Args:
        a: Row of the first image of each pair.
        b: Row of the second image of each pair.
        sets: Arrays with one number per image: images with the same number are linked, unless it is negative.
    """

    a: Rows
    b: Rows
    sets: Sequence[Rows] = ()


def nearest(wanted: npt.NDArray[np.bool_], links: SplitConstraints) -> Rows:
    """Return for each image the row of the first wanted image that it is linked to; n if there is none.

    A wanted image that is in a set may find itself.

    Args:
        wanted: Mask of the wanted images, shape (n,).
        links: The links.
    """
    count = len(wanted)
    found = np.full(count, count, np.int64)
    for one, other in ((links.a, links.b), (links.b, links.a)):
        chosen = wanted[other]
        np.minimum.at(found, one[chosen], other[chosen])
    for numbers in links.sets:
        # The last element is for images without a set, which have the index -1.
        first = np.full(int(numbers.max(initial=-1)) + 2, count, np.int64)
        rows = np.flatnonzero(wanted & (numbers >= 0))
        np.minimum.at(first, numbers[rows], rows)
        np.minimum(found, first[numbers], out=found)
    return found


def straddlers(sides: Sides, *kinds: SplitConstraints) -> tuple[Rows, Rows]:
    """Find the images to drop so that no link crosses splits.

    Of two linked images, the one in the lower-ranking split is dropped (train, then val). Val is decided first, against
    test; then train, against test and the remaining images of val. The result does not depend on the order of links,
    and an image of train stays if its only linked image was dropped from val.

    Args:
        sides: Split of each image.
        kinds: Links, by kind.

    Returns:
        For each image the row of the linked image that stays and the number of the kind, -1 if the image itself stays.
        With several linked images, the first one of the first kind.
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
    """Find the images to drop so that no link crosses folds.

    Folds have no rank: in the order of rows (by id), an image is dropped if an earlier linked image stays in another
    fold.

    Args:
        folds: Fold of each image; negative if it has none.
        links: The links.

    Returns:
        For each image the row of the linked image that stays, -1 if the image itself stays.
    """
    count = len(folds)
    against = np.full(count, -1, np.int64)
    lower, upper = np.minimum(links.a, links.b), np.maximum(links.a, links.b)
    one, other = folds[links.a], folds[links.b]
    apart = (one >= 0) & (other >= 0) & (one != other)
    lower, upper = lower[apart], upper[apart]
    order = np.lexsort((lower, upper))
    before: dict[int, list[int]] = {}
    for one, other in zip(lower[order].tolist(), upper[order].tolist(), strict=True):
        before.setdefault(other, []).append(one)
    members = [np.flatnonzero((numbers >= 0) & (folds >= 0)) for numbers in links.sets]
    stays: dict[tuple[int, int], int] = {}
    # All earlier images are decided, and the remaining images of a set are in one fold.
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
