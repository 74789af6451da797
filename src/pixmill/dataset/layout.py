"""What the folders and names of images say: labels, splits, and which files are masks."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pixmill.core.errors import DataError
from pixmill.core.names import fold, to_nfc

_SPLIT = re.compile(
    r"(?<![^\W\d_])(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?)"
    r"|(?P<unlabelled>unlabell?ed|pred(?:iction)?s?))(?:set|data|images?|imgs?)?(?![^\W\d_])"
)
"""Words in case-folded folder names that name a split, such as in ``seg_train``."""

WRAPPERS = {"images", "image", "imgs", "img", "jpegimages"}
"""Names of folders that hold images and name no class, if they are above or below that of a class.
"""

_UNLABELLED = {"unlabelled", "unlabeled", "nolabel"}
"""Names, without punctuation, of folders whose images have no label."""

_MASKS = {
    "mask",
    "masks",
    "gt",
    "groundtruth",
    "annotations",
    "segmentation",
    "segmentations",
    "trimap",
    "trimaps",
}
"""Names, without punctuation, of folders of masks."""

_MASK_FILE = re.compile(
    r"[ ._-](?:masks?|gt|seg|segmentation|groundtruth|ground_truth)(?:[ ._-]\d+)?$", re.IGNORECASE
)
"""End of the stem of a mask."""

_DATE = re.compile(r"[\W_]*\d[\W\d_]*")
"""Names of folders that are dates or counters."""

Place = tuple[str, ...]
"""Folders from the top down, in Unicode's composed form, without spaces at their ends."""


class File(NamedTuple):
    """An image, or a file that stands for one.

    Args:
        place: Its folders.
        name: Its folders and name, with slashes.
        path: Its path.
        is_lost: Whether it cannot be read.
    """

    place: Place
    name: str
    path: Path
    is_lost: bool


def _find_masks(files: Iterable[File], wanted: Collection[str]) -> set[str]:
    """Return the names of files that are called like an image, but for a word for masks.

    Those of ``images/cat/1.jpg`` are ``masks/cat/1.png``, ``images/cat/masks/1.png`` and
    ``images/cat/1_mask.png``.

    Args:
        files: Images and masks.
        wanted: Folders to take as classes, so not as those of masks.
    """
    holders = _MASKS - {*map(_letters, wanted)}
    images: set[Place] = set()
    masks: dict[str, Place] = {}
    for file in files:
        stem = Path(file.name).stem
        folders = [*map(_letters, file.place)]
        key = (
            *(word for word in folders if word not in holders | WRAPPERS),
            _MASK_FILE.sub("", stem),
        )
        if key[-1] != stem or not holders.isdisjoint(folders):
            masks[file.name] = key
        else:
            images.add(key)
    return {name for name, key in masks.items() if key in images}


def in_masks(folders: Iterable[str]) -> bool:
    """Return whether one of the folders of a file is named like one of masks."""
    return not _MASKS.isdisjoint(map(_letters, folders))


def _letters(name: str) -> str:
    return re.sub(r"[\W\d_]+", "", fold(name))


def role_of(name: str) -> str:
    """Return the split that a folder is named after, ``unlabelled``, or an empty string."""
    found = _SPLIT.search(fold(name))
    return found.lastgroup or "" if found else ""


class Spot(NamedTuple):
    """What the folders of images say.

    Args:
        split: Split, ``unlabelled``, empty without splits; ``None`` for images beside the splits.
        label: Label, if they are in a class folder.
        inner: Folders below the class folder.
    """

    split: str | None
    label: str | None
    inner: Place


class Layout(NamedTuple):
    """What folders and names say about the images.

    Args:
        images: Images, without masks.
        masks: Names of the masks.
        labels: Label by name of an image; images without one are missing.
        spots: What the folders say.
        dates: Number of levels of dates or counters above the class folders.
    """

    images: list[File]
    masks: set[str]
    labels: dict[str, str]
    spots: dict[Place, Spot]
    dates: int

    def has_subfolders(self) -> bool:
        """Return whether all images of classes are in subfolders, of several names."""
        inner = {spot.inner[:1] for spot in self.spots.values() if spot.label}
        return () not in inner and len(inner) > 1

    def has_train_folder(self) -> bool:
        """Return whether a folder is named after training."""
        return any(role_of(name) == "train" for place in self.spots for name in place)

    def pattern_of_folders(self, up: int = 0) -> str:
        """Return the pattern of the labels that the class folders give, for masks, too.

        Args:
            up: Number of levels of dates from there up to the folders that give them.
        """
        for place, spot in self.spots.items():
            if spot.label:
                own = place.index(spot.label)
                levels = [at for at, name in enumerate(place[:own]) if _DATE.fullmatch(name)]
                return f"^{'[^/]+/' * [*levels, own][-1 - up]}([^/]+)/"
        return "^([^/]+)/"


def read_layout(files: Sequence[File], wanted: set[str], pattern: str | None) -> Layout:
    """Return labels and splits of images, and which files are masks.

    Args:
        files: Images and masks.
        wanted: Folders to take as classes, so not as those of masks.
        pattern: Pattern of the label, if any; else the folder is the label.

    Raises:
        DataError: The pattern is no regular expression.
    """
    labels = _match(files, pattern) if pattern else {}
    classes = wanted.union(labels.values())
    masks = _find_masks(files, classes) - labels.keys()
    images = [file for file in files if file.name not in masks]
    spots, dates = _arrange({file.place for file in images}, classes)
    if not pattern:
        labels = {file.name: label for file in images if (label := spots[file.place].label)}
    return Layout(images, masks, labels, spots, dates)


def _arrange(places: Collection[Place], wanted: set[str]) -> tuple[dict[Place, Spot], int]:
    """Return labels and splits by folder, and the number of levels of dates above the classes.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes; empty: the outermost ones that neither name a split nor
            wrap others.
    """
    base = _count_wrappers(places, wanted)
    roles, beside = _find_splits([place[base:] for place in places], wanted)
    pairs = {place[base : base + 2] for place in places}
    found: dict[Place, tuple[str | None, list[str]]] = {}
    for place in places:
        own = [name for name in place[base:] if name in wanted or fold(name) not in WRAPPERS]
        own = own or [*place[base:]]
        split = beside
        if folder := next(filter(roles.get, own), None):
            split = roles[folder]
            own.remove(folder)
            # The second of seg_train/seg_train/cat names no class, unless others are beside it.
            is_alone = sum(pair[:1] == (folder,) for pair in pairs) == 1
            if own[:1] == [folder] and folder not in wanted and is_alone:
                own.remove(folder)
        found[place] = split, own
    dates = 0 if wanted else _count_dates([own for _, own in found.values()])
    spots = {place: _read_spot(own[dates:], split, wanted) for place, (split, own) in found.items()}
    return spots, dates


def _count_dates(owns: Iterable[Sequence[str]]) -> int:
    """Return the number of outermost levels that are dates or counters, if no classes.

    They are none if the same names recur below several of them.

    Args:
        owns: Folders of images, without those of splits and wrappers.
    """
    named = [own for own in owns if own and _UNLABELLED.isdisjoint(map(_letters, own))]
    least = min(map(len, named), default=0)
    depth = 0
    while depth < least and all(_DATE.fullmatch(own[depth]) for own in named):
        depth += 1
    if not 0 < depth < least:
        return 0
    below = Counter(name for *_, name in {tuple(own[: depth + 1]) for own in named})
    return depth if len(below) > 1 and below.most_common(1)[0][1] > 1 else 0


def _read_spot(own: Sequence[str], split: str | None, wanted: Collection[str]) -> Spot:
    """Return what folders say, without those of splits and wrappers."""
    if any(_letters(name) in _UNLABELLED and name not in wanted for name in own):
        split = "unlabelled"
    labels = [name for name in own if name in wanted]
    if not labels and split not in (None, "unlabelled"):
        labels = [*own[:1]]  # If it is not wanted, it is left out later.
    if not labels:
        return Spot(split, None, tuple(own))
    return Spot(split, labels[0], tuple(own[own.index(labels[0]) + 1 :]))


def _count_wrappers(places: Collection[Place], wanted: Collection[str]) -> int:
    """Return the number of leading folders that only wrap others, and are not wanted as classes."""
    depth = 0
    while len(names := {place[depth] for place in places if len(place) > depth}) == 1:
        (name,) = names
        wraps = (
            fold(name) in {*WRAPPERS, "default"}  # the subset of Datumaro and CVAT without a name
            or role_of(_letters(name))
            or any(len(place) > depth + 1 for place in places)
        )
        if name in wanted or not wraps:
            break
        depth += 1
    return depth


def _find_splits(places: Collection[Place], wanted: set[str]) -> tuple[dict[str, str], str | None]:
    """Return the roles (:func:`role_of`) of the folders of splits, and that of images beside them.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes; one that holds others is that of a split.
    """
    for depth in (1, 0):  # splits in each class folder, or outermost
        names = {
            "".join(place[depth : depth + 1])
            for place in places
            if _may_split(place, depth, wanted)
        }
        roles = {name: role for name in names if (role := role_of(name))}
        if {"train"} < {*roles.values()} and (depth == 0 or len(roles) == len(names)):
            return roles, None
    return _find_train(names, places, has_wanted=bool(wanted))


def _may_split(place: Place, depth: int, wanted: set[str]) -> bool:
    """Return whether a folder may be that of a split: it is no class, or has classes below."""
    is_class = not wanted.isdisjoint(place[depth : depth + 1])
    return not is_class or not wanted.isdisjoint(place[depth + 1 :])


def _find_train(
    names: set[str], places: Collection[Place], *, has_wanted: bool
) -> tuple[dict[str, str], str | None]:
    """Return the roles where no folder is called train: it is what is beside test and val."""
    exact = {name: role for name in names if (role := role_of(_letters(name))) in ("val", "test")}
    # Of test1 and test2, neither is a split.
    counts = Counter(exact.values())
    roles = {
        name: role
        for name, role in exact.items()
        if counts[role] == 1 or not re.search(r"\d", name)
    }
    others = names - {*roles, ""}
    # A folder test beside a single other one may be a class itself.
    are_classes = not has_wanted and len(others) < 2 and max(map(len, places)) < 2
    if not roles or are_classes:
        return {}, ""
    if len(others) == 1:
        return roles | dict.fromkeys(others, "train"), None
    return roles, "train"


def _match(files: Sequence[File], pattern: str) -> dict[str, str]:
    """Return labels by the names of files, of those that a pattern matches.

    Raises:
        DataError: It is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"--pattern {pattern}: {error}", next="give a regular expression") from None
    group = min(1, compiled.groups)
    matches = {file.name: compiled.search(file.name) for file in files}
    texts = {name: to_nfc(match[group] or "").strip() for name, match in matches.items() if match}
    return {name: text for name, text in texts.items() if text}
