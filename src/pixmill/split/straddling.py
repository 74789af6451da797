"""Images dropped because a near-duplicate or a member of their group is in another split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixmill.split.grouping import TRAIN, VAL, Flags, Rows, Sides

REASONS = {
    "straddles": (
        "a near-duplicate of it, or the same image, is in a higher-ranking split (test, "
        "then val, then train)"
    ),
    "straddles_group": (
        "another image of its group is in a higher-ranking split (test over val over train)"
    ),
}
"""Reasons of split; the manifest has ``<reason>:<id>`` with the id of the image that stays."""


@dataclass(frozen=True)
class SplitConstraints:
    """Links between images that must not be in different splits.

    Args:
        a: Row of the first image of each pair.
        b: Row of the second image of each pair.
        sets: Arrays with one number per image: images with the same number are linked, unless it is
            negative.
    """

    a: Rows
    b: Rows
    sets: Sequence[Rows] = ()


def nearest(wanted: Flags, links: SplitConstraints) -> Rows:
    """Return the row of the first wanted image that each image is linked to; n for none.

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

    Of two linked images, the one in the lower-ranking split is dropped (train, then val). Val is
    decided first, against test; then train, against test and the remaining images of val. The
    result does not depend on the order of links, and an image of train stays if its only linked
    image was dropped from val.

    Args:
        sides: Split of each image.
        kinds: Links, by kind.

    Returns:
        For each image the row of the linked image that stays and the number of the kind, -1 if the
        image itself stays. With several linked images, the first one of the first kind.
    """
    against = np.full(len(sides), -1, np.int64)
    kind = np.full(len(sides), -1, np.int64)
    # Val first, because an image that val loses must cost train nothing.
    for side in (VAL, TRAIN):
        staying = (sides > side) & (against < 0)
        for number, links in enumerate(kinds):
            found = nearest(staying, links)
            losing = (sides == side) & (found < len(sides)) & (against < 0)
            against[losing] = found[losing]
            kind[losing] = number
    return against, kind
