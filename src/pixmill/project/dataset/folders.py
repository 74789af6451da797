"""Recognize folders of images: classes, splits, masks, and labels in file names."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.names import fold, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of, join_names
from pixmill.images.formats import OTHER_FORMATS
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of
from pixmill.project.dataset.found import Found, Item

MAX_NAMED = 5
"""Files or folders listed in a message."""

MAX_CLASSES = 20
"""Classes listed in a message."""

SPLITS = ("train", "val", "test")

_ROLE = re.compile(
    r"(?<![^\W\d_])(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?)"
    r"|(?P<unlabelled>unlabell?ed|pred(?:iction)?s?))(?:set|data|images?|imgs?)?(?![^\W\d_])"
)
"""Words in case-folded folder names that name a split, such as in ``seg_train``."""

_UNLABELLED = {"unlabelled", "unlabeled"}
"""Names, beside class folders, of folders of images without a label."""

_WRAPPERS = {"images", "image", "imgs", "img", "jpegimages"}
"""Names of folders that hold images and name no class, if no other folder beside them has images."""

_MASKS = {"groundtruth", "annotations", "segmentations", "trimaps"}
"""Names, without punctuation, of folders of masks."""

_PERHAPS_MASKS = {"mask", "masks", "gt", "annotation", "segmentation", "trimap"}
"""Names of folders of masks, if folders of images or splits, or as many images, are beside them; classes otherwise."""

_MASK_FILE = re.compile(r"[ ._-](?:masks?|gt|seg|segmentation|groundtruth|ground_truth)(?:[ ._-]\d+)?$", re.IGNORECASE)
"""End of the stem of a mask, if the image has the rest as its stem."""

_JUNK = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini", "__pycache__"}
"""Files and folders that systems leave behind."""

_PROMISED = {"lfs", "annex", "svg", *OTHER_FORMATS}
"""Reasons of files that are images elsewhere or otherwise; a class of such files is refused, not left out."""

_PATTERNS = (
    r"(?P<label>[^/]+?)[ ._-]*\(?\d+\)?\.\w+$",
    r"(?:^|/)\d+[ ._-]+(?P<label>[^/]+)\.\w+$",
    r"(?:^|/)(?P<label>[^\W\d_]+)[^/]*$",
)
"""Guesses: a number after the label, a number before it, the first word. The last is proposed only."""

_NO_LABELS = {"img", "image", "dsc", "dscn", "pic", "picture", "photo", "frame", "screenshot", "scan", "pxl", "clip"}
"""First words of file names that cameras and programs give."""

_MIN_IMAGES, _LABELS = 5, range(2, 101)
"""Images of each label, and number of labels, for a guessed pattern to be used without asking."""

_Place = tuple[str, ...]
"""Folders from the top down."""

_Files = dict[_Place, list[tuple[str, Path]]]
"""File names and paths by folder."""


def find_in_folder(
    top: Path, classes: Sequence[str] = (), *, pattern: str | None = None, no_splits: bool = False, least: int = 2
) -> Found:
    """Find labelled images in class folders, in the class folders of splits, or by their file names.

    Folders that only wrap others are entered; images in subfolders of a class belong to it. Masks are left out. Names
    of items are relative to the class folder.

    Args:
        top: Folder to search.
        classes: Folders to take as classes, at any depth; default: the outermost ones.
        pattern: Regular expression, searched in the paths relative to ``top``, with slashes; its group ``label``, or
            its first group, is the label, and images that it does not match have none. Default: the folder is the
            label; without class folders, a pattern that fits all file names is guessed.
        no_splits: Whether to ignore that folders are named after splits.
        least: Minimum number of classes.

    Raises:
        DataError: There are no images, fewer than two classes, no readable image of a class, or none in ``train``.
    """
    if not top.is_dir():
        problem = "is not a folder" if top.exists() else "does not exist"
        raise DataError(f"{top} {problem}", next="give an existing folder, relative to the current one")
    images, problems, others = _look(top)
    if not images:
        explained = explain(reason for reasons in problems.values() for reason in reasons)
        raise DataError(
            "\n".join([f"{top} has no images", *(what for _, what, _ in explained)]),
            next="; ".join(dict.fromkeys(fix for *_, fix in explained)) or "give a folder that has images",
        )
    masks = _remove_masks(images)
    promised = {place for place, reasons in problems.items() if _PROMISED & {*reasons}}
    layout = _Layout(top, {*images, *promised}, [to_nfc(name) for name in classes])
    if pattern is None and not layout.names:
        pattern = _guess(top, [name for place, files in images.items() if layout.learnt(place) for name, _ in files])
    rows, outside = _label(images, layout, None if pattern is None else _compile(pattern))
    problems = {place: each for place, each in problems.items() if not classes or layout.locate(place).label}
    if pattern is None:
        _check_folders(top, layout, {facts.label for *_, facts in rows}, problems, promised & problems.keys())
    final, remarks = _assign(top, Counter(facts for *_, facts in rows), no_splits=no_splits, least=least)
    if pattern is None and not classes:
        remarks += layout.remarks(images)
    remarks += [f"{what}; {fix}" for _, what, fix in explain(name for each in problems.values() for name in each)]
    for names, noun, nouns in (
        (masks, "mask was", "masks were"),
        (outside, "image outside the class folders was", "images outside the class folders were"),
        (others, "file is not an image and was", "files are not images and were"),
    ):
        if names:
            remarks.append(f"{count(len(names), noun, nouns)} left out: {first_of(names, MAX_NAMED)}")
    return Found(
        [Item(path, name, final[facts]) for path, name, facts in rows],
        ("class folders" if pattern is None else "labels in file names")
        + layout.describe(by_folder=pattern is None)
        + (f", pattern {pattern}" if pattern else ""),
        remarks=tuple(remarks),
        options=("--classes", "--pattern", *["--ignore-splits"] * layout.has_splits),
    )


def _look(top: Path) -> tuple[_Files, dict[_Place, list[str]], list[str]]:
    """Return images by folder, reasons of unreadable files by folder, and other files."""
    images: dict[_Place, list[tuple[str, Path]]] = {}
    problems: dict[_Place, list[str]] = {}
    others: list[str] = []
    files = [*_files(top, "", {top.resolve()})]
    for name, path in track(files, "Look at files", len(files), unit="file"):
        *folders, file = name.split("/")
        place = tuple(map(sys.intern, folders))
        reason = reason_of(path)
        if reason is None or reason == "no_decoder":
            images.setdefault(place, []).append((file, path))
        elif reason in ("unknown", "not_a_file"):
            others.append(name)
        else:
            problems.setdefault(place, []).append(reason)
    return images, problems, others


def _files(folder: Path, prefix: str, seen: set[Path]) -> Iterator[tuple[str, Path]]:
    """Yield relative names and paths of files, also of linked folders outside, each of which is entered once."""
    for name, path in files_below(folder, prefix):
        if not _JUNK.isdisjoint(name.split("/")):
            continue
        if path.is_symlink() and path.is_dir():
            target = path.resolve()
            if not any(target.is_relative_to(other) or other.is_relative_to(target) for other in seen):
                seen.add(target)
                yield from _files(path, f"{name}/", seen)
        else:
            yield name, path


def _remove_masks(images: _Files) -> list[str]:
    """Remove masks, and return their names."""
    beside: dict[_Place, set[str]] = {}
    for place in images:
        for depth, name in enumerate(place):
            beside.setdefault(place[:depth], set()).add(fold(name))
    removed = []
    for place in [*images]:
        if any(_holds_masks(place[: depth + 1], images, beside) for depth in range(len(place))):
            removed += ["/".join((*place, name)) for name, _ in images.pop(place)]
            continue
        ends = {name: found for name, _ in images[place] if (found := _MASK_FILE.search(Path(name).stem))}
        if ends:
            stems = {Path(name).stem for name, _ in images[place]}
            masks = {name for name, found in ends.items() if found.string[: found.start()] in stems}
            images[place] = [(name, path) for name, path in images[place] if name not in masks]
            removed += ["/".join((*place, name)) for name in sorted(masks)]
    return removed


def _holds_masks(place: _Place, images: _Files, beside: Mapping[_Place, Collection[str]]) -> bool:
    parent, name = place[:-1], re.sub(r"[\W_]+", "", fold(place[-1]))
    if name not in _PERHAPS_MASKS:
        return name in _MASKS
    siblings = beside[parent]
    return any(other in _WRAPPERS or _role(other) in SPLITS for other in siblings) or bool(
        parent and len(images.get(parent, ())) >= len(images.get(place, ())) > 0
    )


def _role(name: str) -> str:
    """Return the split that a folder is named after, ``unlabelled``, or an empty string."""
    found = _ROLE.search(fold(name))
    return found.lastgroup or "" if found else ""


def _innermost(places: Collection[_Place], base: _Place, known: Collection[str] = ()) -> _Place:
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
        if not (deeper or fold(name) in _WRAPPERS or _role(name)):
            return base
        base = (*base, name)


class _Spot(NamedTuple):
    """Label and split of a folder, and the number of leading folders that are not part of its images' names."""

    label: str | None
    split: str
    depth: int


class _Layout:
    """Classes and splits of folders.

    Args:
        top: Folder for messages.
        places: Folders that hold images.
        wanted: Folders to take as classes; empty: the outermost ones.
    """

    def __init__(self, top: Path, places: Collection[_Place], wanted: Sequence[str]) -> None:
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
        inner = {_role(place[size + 1]) for place in deep}
        self._nested = len(deep) == len(places) and {"train"} < inner <= {*SPLITS} and "" in names
        self.has_splits = self._nested or len(names.keys() & {*SPLITS} - self._blind) > 1

    def _find_parts(self, top: Path) -> dict[_Place, str]:
        """Return the folders of splits by their innermost path; empty without splits."""
        size = len(self._base)
        named: dict[str, set[str]] = {}
        for place in self._places:
            if len(place) > size and place[:size] == self._base and (role := _role(place[size])):
                named.setdefault(role, set()).add(place[size])
        if "train" not in named or len(named) == 1:
            return {}
        parts: dict[_Place, str] = {}
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

    def _part(self, place: _Place) -> _Place | None:
        return next((part for part in self._parts if place[: len(part)] == part), None)

    def split_of(self, place: _Place) -> tuple[str | None, int]:
        """Return the split by the folder's name (empty without splits), and the number of folders above it."""
        part = self._part(place)
        return (None, 0) if part is None else (self._parts[part], len(part))

    def learnt(self, place: _Place) -> bool:
        """Return whether images of a folder are to learn from: those of ``train``, or all without splits."""
        return self.split_of(place)[0] in ("train", "")

    def locate(self, place: _Place) -> _Spot:
        """Return the label of a folder; without one, it is left out unless its split is ``unlabelled``."""
        split, size = self.split_of(place)
        own = tuple(map(to_nfc, place[size:]))
        if split is None:
            return _Spot(None, "", 0)
        if split in self._blind or (not split and own and fold(own[0]) in _UNLABELLED):
            return _Spot(None, "unlabelled", size)
        if self._nested:
            split = _role(own[1])
        depth = next((n for n, name in enumerate(own) if name in self.wanted or not self.wanted), None)
        if depth is None:
            return _Spot(None, split, size)
        return _Spot(own[depth], split, size + depth + 1 + (self._nested and depth == 0))

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

    def remarks(self, images: _Files) -> list[str]:
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


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"--pattern {pattern}: {error}", next="give a regular expression") from None
    if not compiled.groups:
        raise DataError(
            f"--pattern {pattern} has no group",
            next="put parentheses around the part that is the label, as in '([a-z]+)_'",
        )
    return compiled


def _guess(top: Path, names: Sequence[str]) -> str:
    """Return the pattern of labels in file names that fits all of them, or propose one in the message."""
    proposal = ""
    for pattern in _PATTERNS:
        found = [match["label"] for name in names if (match := re.search(pattern, name))]
        labels = Counter(label for label in map(to_nfc, found) if any(map(str.isalpha, label)))
        if len(labels) not in _LABELS or labels.keys() & _NO_LABELS:
            continue
        certain = labels.total() == len(names) and min(labels.values()) >= _MIN_IMAGES
        if certain and pattern != _PATTERNS[-1] and not {*map(fold, labels)} & _NO_LABELS:
            return pattern
        counts = [f"{n:,} of {label}" for label, n in labels.most_common()]
        proposal = proposal or f"--pattern '{pattern}' (gives {first_of(counts, MAX_NAMED)})"
    raise DataError(
        f"{top} has no class folders, and no labels in file names such as {first_of(sorted(names), 3)}"
        if not proposal
        else f"{top} has no class folders, and labels in file names such as {first_of(sorted(names), 3)} are uncertain",
        next=(
            f"repeat the command with {proposal}" if proposal else "give a pattern of the label: --pattern '([a-z]+)_'"
        )
        + f", or put the images into {top}/<class>/",
    )


def _label(
    images: _Files, layout: _Layout, pattern: re.Pattern[str] | None
) -> tuple[list[tuple[Path, str, Facts]], list[str]]:
    """Return path, name and facts of images, with the split of their folder, and the names of images left out."""
    rows: list[tuple[Path, str, Facts]] = []
    outside: list[str] = []
    known: dict[Facts, Facts] = {}
    for place, files in images.items():
        spot = layout.locate(place)
        split, size = layout.split_of(place)
        for name, path in files:
            if pattern is not None:
                if split is None and layout.has_splits:
                    continue
                found = pattern.search("/".join((*place, name)))
                label = found and to_nfc(found["label" if "label" in pattern.groupindex else 1] or "")
                facts, depth = Facts(None if split == "unlabelled" else label or None, split or ""), size
            elif spot.label is None and spot.split != "unlabelled":
                if len(place) <= size:
                    outside.append("/".join((*place, name)))
                continue
            else:
                facts, depth = Facts(spot.label, spot.split), spot.depth
            rows.append((path, "/".join((*place[depth:], name)), known.setdefault(facts, facts)))
    return rows, outside


def _check_folders(
    top: Path,
    layout: _Layout,
    labels: Collection[str | None],
    problems: Mapping[_Place, Sequence[str]],
    promised: Collection[_Place],
) -> None:
    """Refuse missing classes, and classes whose files are all unreadable."""
    lacking = {label for place in promised if (label := layout.locate(place).label)} - {*labels}
    rest = sorted(label for label in labels if label)
    if missing := [name for name in layout.wanted if name not in labels and name not in lacking]:
        raise DataError(
            f"{top} has no folders for the classes {first_of(missing, MAX_NAMED)}; "
            f"it has {first_of(sorted(layout.names), MAX_CLASSES)}",
            next="correct --classes",
        )
    if lacking:
        reasons = [name for place, each in problems.items() if layout.locate(place).label in lacking for name in each]
        explained = explain(reasons)
        raise DataError(
            "\n".join(
                [f"no images in the folders of {first_of(sorted(lacking), MAX_CLASSES)}", *(w for _, w, _ in explained)]
            ),
            next="; ".join(dict.fromkeys(fix for *_, fix in explained))
            + (f", or leave them out: --classes '{','.join(rest)}'" if 1 < len(rest) <= MAX_CLASSES else ""),
        )


def _assign(
    top: Path, counts: Mapping[Facts, int], *, no_splits: bool, least: int
) -> tuple[dict[Facts, Facts], list[str]]:
    """Return the facts to record by those of the folders, and remarks.

    Args:
        top: Folder for messages.
        counts: Number of images by label and split of the folder.
        no_splits: Whether to ignore splits.
        least: Minimum number of classes.
    """
    labels: dict[str, set[str]] = {}
    for facts in counts:
        if facts.label:
            labels.setdefault(facts.split or "", set()).add(facts.label)
    every = sorted(set().union(*labels.values()))
    if len(every) < least:
        has = f"only the class {every[0]}" if every else "no class folders"
        raise DataError(
            f"{top} has {has}; a classifier needs at least two classes",
            next=f"put the images into {top}/<class>/, or give a pattern of the label: --pattern '([a-z]+)_'",
        )
    alike = Counter(map(fold, every))
    if twins := [label for label in every if alike[fold(label)] > 1]:
        raise DataError(
            f"{top} has classes that differ only in case: {first_of(twins, MAX_NAMED)}",
            next="rename one folder of each pair as the other, or choose with --classes",
        )
    is_split = not no_splits and "train" in labels and len(labels) > 1
    remarks = []
    if is_split:
        if unlearnt := [label for label in every if label not in labels["train"]]:
            rest = sorted(labels["train"])
            raise DataError(
                f"the given train has no images of {first_of(unlearnt, MAX_NAMED)}, only of "
                f"{first_of(rest, MAX_NAMED)}; a class is learned from its images in train",
                next="draw train, val and test from all images: --ignore-splits"
                + (f", or leave the others out: --classes '{','.join(rest)}'" if 1 < len(rest) <= MAX_CLASSES else ""),
            )
        for split in labels:
            if absent := [label for label in every if label not in labels[split]]:
                remarks.append(f"the given {split} has no images of {first_of(absent, MAX_NAMED)}")
    moved = {"val": "test"} if is_split and "test" not in labels else {}
    if moved:
        remarks.append("there is no test split: val is used as test; val is taken from train")
    if unlabelled := sum(n for facts, n in counts.items() if not facts.label):
        remarks.append(f"{count(unlabelled, 'image')} without a label: predicted, never learned from")
    return {
        facts: Facts(facts.label, moved.get(split := facts.split or "", split) if is_split and facts.label else None)
        for facts in counts
    }, remarks
