"""Recognise folders of images: classes, splits, masks, and labels in file names."""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.names import fold, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.images.formats import OTHER_FORMATS
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of
from pixmill.project.dataset.found import Found, Item

MAX_NAMED = 5
"""Files or classes listed in a message."""

_SPLIT = re.compile(
    r"(?<![^\W\d_])(?:(?P<train>train(?:ing)?)|(?P<val>val(?:id(?:ation)?)?|dev)|(?P<test>test(?:ing)?)"
    r"|(?P<unlabelled>unlabell?ed|pred(?:iction)?s?))(?:set|data|images?|imgs?)?(?![^\W\d_])"
)
"""Words in case-folded folder names that name a split, such as in ``seg_train``."""

WRAPPERS = {"images", "image", "imgs", "img", "jpegimages"}
"""Names of folders that hold images and name no class, if no other folder beside them has images."""

_MASKS = {"groundtruth", "annotations", "segmentations", "trimaps"}
"""Names, without punctuation, of folders of masks."""

_PERHAPS_MASKS = {"mask", "masks", "gt", "annotation", "segmentation", "trimap"}
"""Names of folders of masks if folders of images or splits are beside them, and of classes otherwise."""

_MASK_FILE = re.compile(r"[ ._-](?:masks?|gt|seg|segmentation|groundtruth|ground_truth)(?:[ ._-]\d+)?$", re.IGNORECASE)
"""End of the stem of a mask, if the image has the rest as its stem."""

_JUNK = {"__MACOSX", "@eaDir", "$RECYCLE.BIN"}
"""Folders of copies and thumbnails that systems leave behind."""

_PROMISED = {"lfs", "annex", "svg", *OTHER_FORMATS}
"""Reasons of files that are images elsewhere or otherwise; a class of such files is refused, not left out."""

_PATTERNS = (r"(?P<label>[^/]+?)[ ._-]*\(?\d+\)?\.\w+$", r"(?:^|/)\d+[ ._-]+(?P<label>[^/]+)\.\w+$")
"""Guesses: a number after the label, or before it."""

_NO_LABELS = {"img", "image", "dsc", "dscn", "pic", "picture", "photo", "frame", "screenshot", "scan", "pxl", "clip"}
"""First words of file names that cameras and programs give."""

_MIN_IMAGES, _LABELS = 5, range(2, 101)
"""Images of each label, and number of labels, for a guessed pattern to be used without asking."""

_Place = tuple[str, ...]
"""Folders from the top down, in Unicode's composed form, without spaces at their ends."""


def find_in_folder(
    top: Path, classes: Sequence[str] = (), *, pattern: str | None = None, no_splits: bool = False, least: int = 2
) -> Found:
    """Find labelled images in class folders, in the class folders of splits, or by their file names.

    Folders that only wrap others are entered; images in subfolders of a class belong to it. Masks are left out. Names
    of items are relative to the class folder.

    Args:
        top: Folder to search.
        classes: Folders to take as classes, at any depth; default: the outermost ones. If neither folders nor names
            of files are labels, all images are taken without a label.
        pattern: Regular expression, searched in the paths relative to ``top``, with slashes; its group ``label``, or
            its first group, or all of it without groups, is the label; images that it does not match have none.
            Default: the folder is the label; without class folders, a pattern that fits all file names is guessed.
        no_splits: Whether to ignore that folders are named after splits.
        least: Minimum number of classes.

    Raises:
        DataError: There are no images, fewer classes than ``least``, no readable image of a class, or none in
            ``train``.
    """
    if not top.is_dir():
        raise DataError(f"{top} is not a folder", next="omit --pattern, or give a folder")
    files, problems, others = _look(top)
    masks = _find_masks(files)
    files = [file for file in files if file.name not in masks]
    if all(file.is_lost for file in files):
        raise _unreadable(f"{top} has no images", problems, "give a folder that has images")
    wanted = [*map(to_nfc, classes)]
    spots = _arrange({file.place for file in files}, wanted)
    folders = {name for spot in spots.values() if spot.split in ("", "train") for name in spot.own[:1]}
    if pattern is None and not folders:
        try:
            pattern = _guess(top, [file.path.name for file in files if spots[file.place].split in ("", "train")])
        except DataError:
            if not wanted:
                raise
            items = [Item(str(file.path), file.name, Facts()) for file in files if not file.is_lost]
            return Found(items, "images without a label, in no class folders", options=("--pattern",))
    items, unreadable, outside = _label(files, spots, pattern)
    labels = {item.facts.label for item in items if item.facts.label}
    if pattern is not None and not labels | unreadable:
        fix = "correct it: its parentheses match the label in such a path"
        raise DataError(f"--pattern {pattern} matches no path; one is {files[0].name}", next=fix)
    if missing := [name for name in wanted if name not in labels | unreadable]:
        has = first_of(sorted(labels if pattern else folders))
        raise DataError(f"{top} has no images of {first_of(missing)}; it has {has}", next="correct --classes")
    if lacking := sorted((unreadable - labels).intersection(wanted or unreadable)):
        raise _unreadable(f"no images in the folders of {first_of(lacking)}", problems, "leave them out: --classes")
    items = [item for item in items if not wanted or item.facts.label in (None, *wanted)]
    items, remarks, has_splits = _settle(top, items, no_splits=no_splits, least=least)
    inner = {spot.inner[:1] for spot in spots.values() if spot.label}
    if not pattern and not wanted and () not in inner and len(inner) > len(labels):
        remarks.append("subfolders belong to their class; to take the innermost as classes: --pattern '([^/]+)/[^/]+$'")
    remarks += [f"{what}; {fix}" for _, what, fix in explain(problems)]
    for what, names in (("masks", [*masks]), ("images in no class folder", outside), ("other files", others)):
        if names:
            remarks.append(f"left out: {what} ({len(names):,}): {first_of(sorted(names), MAX_NAMED)}")
    kind = f"labels in file names, pattern {pattern}" if pattern else "class folders"
    options = ("--classes", "--pattern", *["--ignore-splits"] * has_splits)
    return Found(items, kind + ", by split" * has_splits, remarks=tuple(remarks), options=options)


def find_all(top: Path, label: str | None) -> Found:
    """Find all images in a folder tree, whatever their folders and names are.

    Args:
        top: Folder to search.
        label: Label of all of them; ``None``: they have none.

    Raises:
        DataError: There are no images.
    """
    files, problems, others = _look(top)
    items = [Item(str(file.path), file.name, Facts(label)) for file in files if not file.is_lost]
    if not items:
        raise _unreadable(f"{top} has no images", problems, "give a folder that has images")
    remarks = [f"{what}; {fix}" for _, what, fix in explain(problems)]
    remarks += [f"left out: other files ({len(others):,}): {first_of(sorted(others), MAX_NAMED)}"] if others else []
    return Found(items, f"images of {label}" if label else "images without a label", remarks=tuple(remarks))


def _unreadable(text: str, problems: Iterable[str], otherwise: str) -> DataError:
    explained = explain(problems)
    fixes = filter(None, ("; ".join(dict.fromkeys(fix for *_, fix in explained)), otherwise))
    return DataError("\n".join([text, *(what for _, what, _ in explained)]), next="; or ".join(fixes))


class _File(NamedTuple):
    """An image, or a file that stands for one.

    Args:
        place: Its folders.
        name: Its folders and name, with slashes.
        path: Its path.
        is_lost: Whether it cannot be read.
    """

    place: _Place
    name: str
    path: Path
    is_lost: bool


def _look(top: Path) -> tuple[list[_File], list[str], list[str]]:
    """Return images, the reasons of unreadable files, and the names of other files."""
    files, problems, others = [], [], []
    every = [(name, path) for name, path in files_below(top) if _JUNK.isdisjoint(name.split("/"))]
    for name, path in track(every, "Look at files", len(every), unit="file"):
        reason = reason_of(path)
        if reason in ("unknown", "not_a_file"):
            others.append(name)
        elif reason and reason != "no_decoder":
            problems.append(reason)
        if reason in (None, "no_decoder", *_PROMISED):
            place = tuple(sys.intern(to_nfc(folder).strip()) for folder in name.split("/")[:-1])
            files.append(_File(place, name, path, reason in _PROMISED))
    return files, problems, others


def _find_masks(files: Iterable[_File]) -> set[str]:
    """Return the names of files in folders of masks, and those named after another file in their folder."""
    stems = {(file.place, Path(file.name).stem) for file in files}
    sizes = Counter(place for place, _ in stems)
    folders = {place[:size] for place in sizes for size in range(1, len(place) + 1)}

    def holds_masks(folder: _Place) -> bool:
        parent, name = folder[:-1], re.sub(r"[\W_]+", "", fold(folder[-1]))
        if name not in _PERHAPS_MASKS:
            return name in _MASKS
        beside = {fold(other[-1]) for other in folders if other[:-1] == parent}
        among_images = len(parent) > 0 and 0 < sizes[folder] <= sizes[parent]
        return among_images or any(name in WRAPPERS or role_of(name) for name in beside)

    holders = {folder for folder in folders if holds_masks(folder)}
    masked = {place for place in sizes if any(place[:size] in holders for size in range(1, len(place) + 1))}

    def is_mask(file: _File) -> bool:
        end = _MASK_FILE.search(Path(file.name).stem)
        return file.place in masked or (end is not None and (file.place, end.string[: end.start()]) in stems)

    return {file.name for file in files if is_mask(file)}


def role_of(name: str) -> str:
    """Return the split that a folder is named after, ``unlabelled``, or an empty string."""
    found = _SPLIT.search(fold(name))
    return found.lastgroup or "" if found else ""


class _Spot(NamedTuple):
    """What the folders of images say.

    Args:
        split: Split, ``unlabelled``, empty without splits; ``None`` for images beside the splits.
        own: Folders below those that only wrap others, without that of the split.
        label: Label, if they are in a class folder.
        inner: Folders below the class folder.
        is_unlabelled: Whether images without a label are for prediction.
    """

    split: str | None
    own: _Place
    label: str | None
    inner: _Place
    is_unlabelled: bool


def _arrange(places: Collection[_Place], wanted: Collection[str]) -> dict[_Place, _Spot]:
    """Return labels and splits by folder.

    The folders of splits are the outermost ones, or those in each class folder.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes; empty: the outermost ones.
    """
    base = cut = _count_wrappers(places, wanted, any_name=True)
    for depth in (base, base + 1):
        roles = {role_of("".join(place[depth : depth + 1])) for place in places}
        if {"train"} < roles - {""} and (depth == base or "" not in roles):
            cut = depth + 1
            break
    parts: dict[_Place, list[_Place]] = defaultdict(list)
    for place in places:
        parts[place[:cut]].append(place[cut:])
    found: dict[_Place, tuple[str | None, _Place]] = {}
    names: dict[str | None, set[str]] = defaultdict(set)
    for part, below in parts.items():
        split = "" if cut == base else role_of("".join(part[cut - 1 :])) or None
        size = _count_wrappers(below, wanted)
        for rest in below:
            own = (*part[base : cut - 1], *rest[size:])
            found[(*part, *rest)] = (split, own)
            names[split].update(own[:1])
    known = names["" if cut == base else "train"]
    blind = {split for split, each in names.items() if split and len(each) < 2 and known.isdisjoint(each)}
    spots = {}
    for place, (split, own) in found.items():
        is_unlabelled = split in blind or "unlabelled" in (split, role_of("".join(own[:1])))
        # Others belong to classes that are left out.
        labels = [] if split is None or is_unlabelled else [*filter(wanted.__contains__, own), *own]
        inner = own[own.index(labels[0]) + 1 :] if labels else own
        spots[place] = _Spot(split, own, labels[0] if labels else None, inner, is_unlabelled)
    return spots


def _count_wrappers(places: Collection[_Place], wanted: Collection[str], *, any_name: bool = False) -> int:
    """Return the number of leading folders that only wrap others, and are not wanted as classes.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes.
        any_name: Whether a folder wraps others whatever its name is.
    """
    depth = 0
    while len(names := {place[depth] for place in places if len(place) > depth}) == 1:
        (name,) = names
        wraps = any_name and any(len(place) > depth + 1 for place in places)
        if name in wanted or not (wraps or fold(name) in WRAPPERS or role_of(name)):
            break
        depth += 1
    return depth


def _label(
    files: Iterable[_File], spots: Mapping[_Place, _Spot], pattern: str | None
) -> tuple[list[Item], set[str], list[str]]:
    """Return images with label and split, labels of unreadable files, and names of images that are left out."""
    try:
        compiled = re.compile(pattern or "")
    except re.error as error:
        raise DataError(f"--pattern {pattern}: {error}", next="give a regular expression") from None
    group = "label" if "label" in compiled.groupindex else min(1, compiled.groups)
    items, unreadable, outside = [], set(), []
    for file in files:
        spot = spots[file.place]
        label, is_unlabelled = spot.label, spot.is_unlabelled
        if pattern is not None:
            match = None if spot.split == "unlabelled" else compiled.search(file.name)
            label = to_nfc(match[group] or "").strip() if match else None
            is_unlabelled = spot.split is not None
        if spot.split is None or not (label or is_unlabelled):
            outside.append(file.name)
        elif not file.is_lost:
            name = "/".join((*spot.inner, file.name.rpartition("/")[2]))
            items.append(Item(str(file.path), name, Facts(label or None, spot.split)))
        elif label:
            unreadable.add(label)
    return items, unreadable, outside


def _guess(top: Path, names: Sequence[str]) -> str:
    """Return the pattern of labels in file names that fits all of them, or propose one in the message."""
    advice = "give a pattern of the label: --pattern '([a-z]+)_'"
    for pattern in _PATTERNS:
        found = [to_nfc(match["label"]) for name in names if (match := re.search(pattern, name))]
        labels = Counter(label for label in found if any(map(str.isalpha, label)))
        if len(labels) not in _LABELS or {*map(fold, labels)} & _NO_LABELS:
            continue
        if labels.total() == len(names) and min(labels.values()) >= _MIN_IMAGES:
            return pattern
        counts = first_of([f"{n:,} of {label}" for label, n in labels.most_common()], MAX_NAMED)
        advice = f"repeat the command with --pattern '{pattern}' (gives {counts})"
    problem = f"{top} has no class folders, and its files have names such as {first_of(sorted(names), 3)}"
    otherwise = f"put the images into {top}/<class>/, or name the classes, to label the images yourself: --classes A,B"
    raise DataError(problem, next=f"{advice}, or {otherwise}")


def _settle(top: Path, items: Sequence[Item], *, no_splits: bool, least: int) -> tuple[list[Item], list[str], bool]:
    """Return the images with the splits to record, remarks, and whether splits are given.

    Args:
        top: Folder for messages.
        items: Images with the splits of their folders.
        no_splits: Whether to ignore splits.
        least: Minimum number of classes.
    """
    labels: dict[str | None, set[str]] = defaultdict(set)
    for facts in (every_facts := {item.facts for item in items}):
        if facts.label:
            labels[facts.split].add(facts.label)
    every = set().union(*labels.values())
    if len(every) < least:
        fix = f"put the images into {top}/<class>/, or give a pattern of the label: --pattern '([a-z]+)_'"
        raise DataError(f"{top} has too few classes for a classifier: {first_of(sorted(every)) or 'none'}", next=fix)
    given, remarks = settle_splits(labels)
    splits, remarks = ({}, []) if no_splits else (given, remarks)
    absent = {split: sorted(every - labels[split]) for split in splits if every - labels[split]}
    if "train" in absent:
        has = f"{first_of(absent['train'], MAX_NAMED)}, only of {first_of(sorted(labels['train']), MAX_NAMED)}"
        fix = "draw train, val and test from all images: --ignore-splits; or leave classes out: --classes"
        raise DataError(f"the given train has no images of {has}; a class is learned from those in train", next=fix)
    gap = "nothing is measured on these classes there; add some, or use --ignore-splits"
    remarks += [f"the given {split} has no images of {first_of(each)}: {gap}" for split, each in absent.items()]
    if unlabelled := sum(not item.facts.label for item in items):
        remarks.append(f"{count(unlabelled, 'image')} without a label: predicted, never learned from")
    final = {facts: Facts(facts.label, splits.get(facts.split) if facts.label else None) for facts in every_facts}
    return [replace(item, facts=final[item.facts]) for item in items], remarks, bool(given)


def settle_splits(given: Iterable[str | None]) -> tuple[dict[str | None, str], list[str]]:
    """Return the splits to use by those that labelled images have, none unless one is to test; and a remark.

    Args:
        given: Splits of labelled images; those without a name count for nothing.
    """
    names = {split for split in given if split}
    if not {"train"} < names:
        return {}, []
    if "test" not in names:
        return {"train": "train", "val": "test"}, ["there is no test split: val is used as test; train gives val"]
    return {name: name for name in names}, []
