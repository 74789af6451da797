"""Near-duplicate pairs that would lie on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pixmill.parts import PartName

__all__ = ["crossing", "straddlers"]

Pair = tuple[str, str]


def straddlers(parts: Mapping[str, PartName], pairs: Iterable[Pair]) -> dict[str, str]:
    """Return the pictures to drop so that no pair crosses, each with the picture that it is too like.

    Of a pair across parts the one in train goes, else the one in val: the test part keeps its pictures, whatever is
    trained on. Val is decided first, against test alone; then train, against what val keeps. So the result does not
    depend on the order of the pairs, and a train picture stays whose only likeness was dropped from val.

    Args:
        parts: The part of each kept picture, by id.
        pairs: Verified near-duplicates, by id; pairs with a picture that is not kept say nothing.
    """
    likenesses: dict[str, set[str]] = {}
    for one, other in crossing(parts, pairs):
        likenesses.setdefault(one, set()).add(other)
        likenesses.setdefault(other, set()).add(one)
    dropped: dict[str, str] = {}
    for part in ("val", "train"):
        for identity in sorted(likenesses):
            if parts[identity] == part:
                against = [other for other in likenesses[identity] if _outranks(parts[other], part)]
                kept = [other for other in against if other not in dropped]
                if kept:
                    dropped[identity] = min(kept)
    return dropped


def crossing(parts: Mapping[str, PartName], pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs whose two pictures are kept in different parts."""
    return [(one, other) for one, other in pairs if one in parts and other in parts and parts[one] != parts[other]]


def _outranks(part: PartName, other: str) -> bool:
    return part == "test" or (part == "val" and other == "train")
