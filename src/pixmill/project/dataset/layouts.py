"""The layout of a folder: classes and splits by the names of its subfolders."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from pixmill.core.errors import DataError
from pixmill.core.names import fold, to_nfc
from pixmill.core.words import first_of, join_names

MAX_NAMED = 5
"""Files or folders listed in a message."""

SPLITS = ("train", "val", "test")

_ROLE = re.compile(
    r"(?<![^\W\d_])(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?)"
    r"|(?P<unlabelled>unlabell?ed|pred(?:iction)?s?))(?:set|data|images?|imgs?)?(?![^\W\d_])"
)
"""Words in case-folded folder names that name a split, such as in ``seg_train``."""

_UNLABELLED = {"unlabelled", "unlabeled"}
"""Names, beside class folders, of folders of images without a label."""

WRAPPERS = {"images", "image", "imgs", "img", "jpegimages"}
"""Names of folders that hold images and name no class, if no other folder beside them has images."""

Place = tuple[str, ...]
"""Folders from the top down."""


def role_of(name: str) -> str:
    """Return the split that a folder is named after, ``unlabelled``, or an empty string."""
    found = _ROLE.search(fold(name))
    return found.lastgroup or "" if found else ""


def _innermost(places: Collection[Place], base: Place, known: Collection[str] = ()) -> Place:
    """Return the innermost folder of a chain of folders that only wrap another one.

    Args:
        places: Folders that hold images.
        base: Folder at which to begin.
        known: Names of folders that are classes, thus not entered.
    """
    while True:
        below = [place for place in places if place[: len(base)] == base]
        names = {place[len(base)] for place in below if len(place) > len(base)}
        deeper = any(len(place) > len(base) + 1 for place in below)
        if len(names) != 1 or names & {*known}:
            return base
        (name,) = names
        if not (deeper or fold(name) in WRAPPERS or role_of(name)):
            return base
        base = (*base, name)


class Spot(NamedTuple):
    """Label and split of a folder, and the number of leading folders that are not part of its images' names."""

    label: str | None
    split: str
    depth: int


class Layout:
    """Classes and splits of folders.

    Args:
        top: Folder for messages.
        places: Folders that hold images.
        wanted: Folders to take as classes; empty: the outermost ones.
    """

    def __init__(self, top: Path, places: Collection[Place], wanted: Sequence[str]) -> None:
        self.wanted, self._base, self._places = wanted, _innermost(places, ()), places
        size = len(self._base)
        self._parts = self._find_parts(top) or {self._base: ""}
        names: dict[str, set[str]] = {split: set() for split in self._parts.values()}
        for place in places:
            if (part := self._part(place)) is not None:
                names[self._parts[part]].update(to_nfc(name) for name in place[len(part) :][:1])
        self.names = (names.get("train") or names.get("") or set()) - _UNLABELLED
        """Outermost folders below ``train``, or below all without splits."""
        known = {*map(fold, self.names)}
        self._blind = {
            split for split, found in names.items() if split and len(found) < 2 and known.isdisjoint(map(fold, found))
        } | {"unlabelled"}
        deep = [place for place in places if len(place) > size + 1]
        inner = {role_of(place[size + 1]) for place in deep}
        self._nested = len(deep) == len(places) and {"train"} < inner <= {*SPLITS} and "" in names
        self.has_splits = self._nested or len(names.keys() & {*SPLITS} - self._blind) > 1

    def _find_parts(self, top: Path) -> dict[Place, str]:
        """Return the folders of splits by their innermost path; empty without splits."""
        size = len(self._base)
        named: dict[str, set[str]] = {}
        for place in self._places:
            if len(place) > size and place[:size] == self._base and (role := role_of(place[size])):
                named.setdefault(role, set()).add(place[size])
        if "train" not in named or len(named) == 1:
            return {}
        parts: dict[Place, str] = {}
        known: set[str] = set()
        for role in (*SPLITS, "unlabelled"):
            inner = [_innermost(self._places, (*self._base, name), known) for name in sorted(named.get(role, ()))]
            classes = {part: {p[len(part)] for p in self._places if part == p[: len(part)] != p} for part in inner}
            rich = [part for part in inner if classes[part]]
            if len(rich) > 1 and role in SPLITS:
                has = first_of([part[size] for part in rich], MAX_NAMED)
                raise DataError(
                    f"{top} has several folders for the split {role}: {has}",
                    next=f"keep only one of them, named {role}, or give the classes and --ignore-splits",
                )
            known |= {name for found in classes.values() for name in found}
            parts |= {part: role if part in rich or not rich else "unlabelled" for part in inner}
        return parts

    def _part(self, place: Place) -> Place | None:
        return next((part for part in self._parts if place[: len(part)] == part), None)

    def split_of(self, place: Place) -> tuple[str | None, int]:
        """Return the split by the folder's name (empty without splits), and the number of folders above it."""
        part = self._part(place)
        return (None, 0) if part is None else (self._parts[part], len(part))

    def learnt(self, place: Place) -> bool:
        """Return whether images of a folder are to learn from: those of ``train``, or all without splits."""
        return self.split_of(place)[0] in ("train", "")

    def locate(self, place: Place) -> Spot:
        """Return the label of a folder; without one, it is left out unless its split is ``unlabelled``."""
        split, size = self.split_of(place)
        own = tuple(map(to_nfc, place[size:]))
        if split is None:
            return Spot(None, "", 0)
        if split in self._blind or (not split and own and fold(own[0]) in _UNLABELLED):
            return Spot(None, "unlabelled", size)
        if self._nested:
            split = role_of(own[1])
        depth = next((n for n, name in enumerate(own) if name in self.wanted or not self.wanted), None)
        if depth is None:
            return Spot(None, split, size)
        return Spot(own[depth], split, size + depth + 1 + (self._nested and depth == 0))

    def describe(self, *, by_folder: bool) -> str:
        """Return a clause on the folders of splits, such as `` in train and test``.

        Args:
            by_folder: Whether folders give the labels, so images outside class folders have none.
        """
        if self._nested:
            return " with folders of splits in each"
        blind = self._blind if by_folder else {"unlabelled"}
        names: dict[bool, list[str]] = {False: [], True: []}
        for part, split in self._parts.items():
            if split:
                names[split in blind].append(part[len(self._base)])
        return "".join(
            f"{clause} {join_names(names[is_blind])}"
            for is_blind, clause in ((False, " in"), (True, ", images without a label in"))
            if names[is_blind]
        )

    def remarks(self, images: Collection[Place]) -> list[str]:
        """Return sentences on folders that are neither classes nor splits, and on subfolders of classes."""
        size = len(self._base)
        remarks = []
        if others := sorted({place[size] for place in images if self._part(place) is None and len(place) > size}):
            remarks.append(f"these folders are not splits and were left out: {first_of(others, MAX_NAMED)}")
        labelled = [(place, spot) for place in images if (spot := self.locate(place)).label]
        inner = {place[spot.depth] for place, spot in labelled if len(place) > spot.depth}
        if len(inner) > len(self.names) and all(len(place) > spot.depth for place, spot in labelled):
            remarks.append(
                f"subfolders belong to their class: {first_of(sorted(inner), MAX_NAMED)}; "
                "to take the innermost folders as classes: --pattern '([^/]+)/[^/]+$'"
            )
        return remarks
