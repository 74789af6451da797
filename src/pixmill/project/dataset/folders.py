"""Recognise folders of images: classes, splits, masks, and labels in file names."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
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
"""Names of folders that hold images and name no class, if they are above or below that of a class."""

_UNLABELLED = {"unlabelled", "unlabeled", "nolabel"}
"""Names, without punctuation, of folders whose images have no label."""

_MASKS = {"mask", "masks", "gt", "groundtruth", "annotations", "segmentation", "segmentations", "trimap", "trimaps"}
"""Names, without punctuation, of folders of masks."""

_MASK_FILE = re.compile(r"[ ._-](?:masks?|gt|seg|segmentation|groundtruth|ground_truth)(?:[ ._-]\d+)?$", re.IGNORECASE)
"""End of the stem of a mask."""

_JUNK = {"__MACOSX", "@eaDir", "$RECYCLE.BIN"}
"""Folders of copies and thumbnails that systems leave behind."""

_PROMISED = {"lfs", "annex", "svg", *OTHER_FORMATS}
"""Reasons of files that are images elsewhere or otherwise; a class of such files is refused, not left out."""

_PATTERN = r"(?:^|/)(?:\d+[ ._-]+)?([^\W\d_][^/]*?)[ ._(-]*\d*\)?\.\w+$"
"""A pattern to propose: the label, with a number before or after it."""

_Place = tuple[str, ...]
"""Folders from the top down, in Unicode's composed form, without spaces at their ends."""


def find_in_folder(
    top: Path, classes: Sequence[str] = (), *, pattern: str | None = None, no_splits: bool = False, least: int = 2
) -> Found:
    """Find labelled images in class folders, in the class folders of splits, or by their file names.

    Folders that only wrap others are entered; images in subfolders of a class belong to it. Names of items are relative
    to the class folder. ``classes`` and ``pattern`` come first; of the rest, masks are left out, and images in folders
    such as ``unlabelled`` have no label.

    Args:
        top: Folder to search.
        classes: Folders to take as classes, at any depth; default: the outermost ones. Without class folders, all
            images are taken without a label.
        pattern: Regular expression, searched in the paths relative to ``top``, with slashes; its first group, or all of
            it without groups, is the label; images that it does not match have none. Default: the folder is the label.
        no_splits: Whether to ignore that folders are named after splits.
        least: Minimum number of classes.

    Raises:
        DataError: There are no images, fewer classes than ``least``, no readable image of a class, or none in
            ``train``.
    """
    if not top.is_dir():
        raise DataError(f"{top} is not a folder", next="omit --pattern, or give a folder")
    files, remarks = _look(top)
    wanted = {*map(to_nfc, classes)}
    named = _match(files, pattern) if pattern else {}
    chosen = wanted.union(named.values())
    masks = _find_masks(files, chosen) - named.keys()
    files = [file for file in files if file.name not in masks]
    spots = _arrange({file.place for file in files}, chosen)
    if not pattern:
        named = {file.name: label for file in files if (label := spots[file.place].label)}
    if not named:
        if pattern or not wanted:
            raise _propose(top, [file.name for file in files])
        return replace(find_all(top, None), options=("--pattern",))
    every = {*named.values()}
    # Outside training, images need no label; with a pattern, nowhere but beside the splits.
    blank = {"val", "test", "unlabelled", *(("", "train") if pattern else ())}
    outside = {file.name for file in files if file.name not in named and spots[file.place].split not in blank}
    taken = {None, *(wanted or every)}
    items = [
        Item(str(path), "/".join((*spots[place].inner, name.rpartition("/")[2])), Facts(label, spots[place].split))
        for place, name, path, is_lost in files
        if not is_lost and name not in outside and (label := named.get(name)) in taken
    ]
    labels = {item.facts.label for item in items if item.facts.label}
    if lacking := sorted((wanted or every) - labels):
        has = first_of(sorted(every.difference(lacking))) or "none"
        problem = f"{top} has no images of {first_of(lacking)}; it has {has}"
        raise DataError("\n".join([problem, *remarks]), next="put right what is left out, or correct --classes")
    above = next((place.index(spot.label) for place, spot in spots.items() if spot.label), 0)
    remarks += _left_out("images in no class folder", outside, "to label them: --pattern")
    remarks += _left_out("other classes", every - taken, "to take them: --classes")
    remarks += _left_out("masks", masks, f"to take them: --pattern '^{'[^/]+/' * above}([^/]+)/'")
    if without := [item.path for item in items if not item.facts.label]:
        such = f"{count(len(without), 'image')} without a label, such as {without[0].relative_to(top).as_posix()}"
        remarks.append(f"{such}: predicted, never learned from; if their folder is a class, list it in --classes, too")
    if len(labels) < least:
        text = f"{top} has too few classes for a classifier: {first_of(sorted(labels))}"
        fix = f"put the images into {top}/<class>/, or give a pattern of the label: --pattern '([a-z]+)_'"
        raise DataError("\n".join([text, *remarks]), next=fix)
    items, more, has_splits = _settle(items, no_splits=no_splits)
    inner = {spot.inner[:1] for spot in spots.values() if spot.label}
    if not chosen and () not in inner and len(inner) > 1:
        more.append("subfolders belong to their class; to take the innermost as classes: --pattern '([^/]+)/[^/]+$'")
    if has_splits and not no_splits and "train" not in {role_of(name) for place in spots for name in place}:
        more.append("images that are in no folder of a split are used as train; to draw the splits: --ignore-splits")
    kind = f"labels in file names, pattern {pattern}" if pattern else "class folders"
    options = ("--classes", "--pattern", *["--ignore-splits"] * has_splits)
    return Found(items, kind + ", by split" * has_splits, remarks=(*remarks, *more), options=options)


def find_all(top: Path, label: str | None) -> Found:
    """Find all images in a folder tree, whatever their folders and names are.

    Args:
        top: Folder to search.
        label: Label of all of them; ``None``: they have none.

    Raises:
        DataError: There are no images.
    """
    files, remarks = _look(top)
    items = [Item(str(file.path), file.name, Facts(label)) for file in files if not file.is_lost]
    return Found(items, f"images of {label}" if label else "images without a label", remarks=tuple(remarks))


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


def _look(top: Path) -> tuple[list[_File], list[str]]:
    """Return images, and lines on what is not read, each with the next step.

    Raises:
        DataError: There are no images.
    """
    files: list[_File] = []
    reasons: list[str] = []
    links: list[str] = []
    others: list[str] = []
    every = [(name, path) for name, path in files_below(top) if _JUNK.isdisjoint(name.split("/"))]
    for name, path in track(every, "Look at files", len(every), unit="file"):
        reason = reason_of(path)
        if reason in ("unknown", "not_a_file"):
            (links if path.is_dir() else others).append(name)
        elif reason and reason != "no_decoder":
            reasons.append(reason)
        if reason in (None, "no_decoder", *_PROMISED):
            place = tuple(to_nfc(folder).strip() for folder in name.split("/")[:-1])
            files.append(_File(place, name, path, reason in _PROMISED))
    remarks = [f"{what}; {fix}" for _, what, fix in explain(reasons)]
    fix = f"cp -rL {shlex.quote(str(top))} COPY (follows links), and give COPY"
    remarks += _left_out("folders that are links or locked", links, fix)
    remarks += _left_out("other files", others, "convert those that are images to PNG or JPEG")
    if all(file.is_lost for file in files):
        fix = "put right what is left out, or give a folder that has images"
        raise DataError("\n".join([f"{top} has no images", *remarks]), next=fix)
    return files, remarks


def _left_out(kind: str, names: Collection[str], fix: str) -> list[str]:
    return [f"left out: {kind} ({len(names):,}): {first_of(sorted(names), MAX_NAMED)}; {fix}"] if names else []


def _find_masks(files: Iterable[_File], wanted: Collection[str]) -> set[str]:
    """Return the names of files that are called masks, by their folders or endings, and otherwise like an image.

    Those of ``images/cat/1.jpg`` are ``masks/cat/1.png``, ``images/cat/masks/1.png`` and ``images/cat/1_mask.png``.

    Args:
        files: Images and masks.
        wanted: Folders to take as classes, so not as those of masks.
    """
    holders = _MASKS - {*map(_letters, wanted)}
    images: set[_Place] = set()
    masks: dict[str, _Place] = {}
    for file in files:
        stem = Path(file.name).stem
        folders = [*map(_letters, file.place)]
        key = (*(word for word in folders if word not in holders | WRAPPERS), _MASK_FILE.sub("", stem))
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


class _Spot(NamedTuple):
    """What the folders of images say.

    Args:
        split: Split, ``unlabelled``, empty without splits; ``None`` for images beside the splits.
        label: Label, if they are in a class folder.
        inner: Folders below the class folder.
    """

    split: str | None
    label: str | None
    inner: _Place


def _arrange(places: Collection[_Place], wanted: set[str]) -> dict[_Place, _Spot]:
    """Return labels and splits by folder.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes; empty: the outermost ones that neither name a split nor wrap others.
    """
    base = _count_wrappers(places, wanted)
    roles, beside = _find_splits([place[base:] for place in places], wanted)
    pairs = {place[base : base + 2] for place in places}
    spots = {}
    for place in places:
        own = [name for name in place[base:] if name in wanted or fold(name) not in WRAPPERS] or [*place[base:]]
        split = beside
        if folder := next(filter(roles.get, own), None):
            split = roles[folder]
            own.remove(folder)
            # The second of seg_train/seg_train/cat names no class, unless others are beside it.
            if own[:1] == [folder] and folder not in wanted and sum(pair[:1] == (folder,) for pair in pairs) == 1:
                own.remove(folder)
        if any(_letters(name) in _UNLABELLED and name not in wanted for name in own):
            split = "unlabelled"
        # Classes that are not wanted are left out later.
        labels = [*filter(wanted.__contains__, own), *([] if split in (None, "unlabelled") else own)]
        inner = own[own.index(labels[0]) + 1 :] if labels else own
        spots[place] = _Spot(split, next(iter(labels), None), tuple(inner))
    return spots


def _count_wrappers(places: Collection[_Place], wanted: Collection[str]) -> int:
    """Return the number of leading folders that only wrap others, and are not wanted as classes."""
    depth = 0
    while len(names := {place[depth] for place in places if len(place) > depth}) == 1:
        (name,) = names
        wraps = fold(name) in WRAPPERS or role_of(_letters(name)) or any(len(place) > depth + 1 for place in places)
        if name in wanted or not wraps:
            break
        depth += 1
    return depth


def _find_splits(places: Collection[_Place], wanted: set[str]) -> tuple[dict[str, str], str | None]:
    """Return the roles, see :func:`role_of`, of the folders of splits, and that of images beside them.

    Args:
        places: Folders that have images.
        wanted: Folders to take as classes; one that holds others is that of a split.
    """
    for depth in (1, 0):  # splits in each class folder, or outermost
        names = {
            "".join(place[depth : depth + 1])
            for place in places
            if wanted.isdisjoint(place[depth : depth + 1]) or not wanted.isdisjoint(place[depth + 1 :])
        }
        roles = {name: role for name in names if (role := role_of(name))}
        if {"train"} < {*roles.values()} and (depth == 0 or len(roles) == len(names)):
            return roles, None
    # Without a folder train, it is what is beside test and val, if these are not classes themselves.
    exact = {name: role for name in names if (role := role_of(_letters(name))) in ("val", "test")}
    # Of test1 and test2, neither is a split.
    several = {role for role, number in Counter(exact.values()).items() if number > 1}
    roles = {name: role for name, role in exact.items() if role not in several or not re.search(r"\d", name)}
    others = names - {*roles, ""}
    if not roles or (not wanted and len(others) < 2 and max(map(len, places)) < 2):
        return {}, ""
    return (roles | dict.fromkeys(others, "train"), None) if len(others) == 1 else (roles, "train")


def _match(files: Sequence[_File], pattern: str) -> dict[str, str]:
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


def _propose(top: Path, names: Sequence[str]) -> DataError:
    """Return the refusal of a folder without class folders, with a pattern of labels in names of files."""
    labels = [to_nfc(match[1]) for name in names if (match := re.search(_PATTERN, name))]
    advice = "give a pattern of the label: --pattern '([a-z]+)_'"
    if 1 < len({*labels}) < len(labels):
        advice = f"repeat the command with --pattern '{_PATTERN}' (gives {first_of(sorted({*labels}), MAX_NAMED)})"
    problem = f"{top}: neither class folders nor --pattern label files such as {first_of(names, 3)}"
    otherwise = (
        f"put the images into {top}/<class>/, or name the classes, folders or labels to give later: --classes A,B"
    )
    return DataError(problem, next=f"{advice}, or {otherwise}")


def _settle(items: Sequence[Item], *, no_splits: bool) -> tuple[list[Item], list[str], bool]:
    """Return the images with the splits to record, remarks, and whether splits are given.

    Args:
        items: Images with the splits of their folders.
        no_splits: Whether to ignore splits.
    """
    labels: dict[str | None, set[str]] = defaultdict(set)
    for facts in {item.facts for item in items}:
        if facts.label:
            labels[facts.split].add(facts.label)
    every = set().union(*labels.values())
    given, remarks = settle_splits(labels)
    splits = {} if no_splits else given
    for split in splits:
        absent = sorted(every - labels[split])
        if absent and split == "train":
            has = f"{first_of(absent, MAX_NAMED)}, only of {first_of(sorted(labels['train']), MAX_NAMED)}"
            why = "a class is learned from those in train"
            fix = "draw train, val and test from all images: --ignore-splits; or leave classes out: --classes"
            if not {*map(fold, absent)}.isdisjoint(map(fold, labels["train"])):
                why = "names differ in upper and lower case"
                fix = "rename folders, so that the name of a class is the same in each split"
            raise DataError(f"the given train has no images of {has}; {why}", next=fix)
        if absent:
            gap = "nothing is measured on these classes there; add some, or use --ignore-splits"
            remarks.append(f"the given {split} has no images of {first_of(absent)}: {gap}")
    final = [replace(each.facts, split=splits.get(each.facts.split) if each.facts.label else None) for each in items]
    items = [replace(item, facts=facts) for item, facts in zip(items, final, strict=True)]
    return items, [] if no_splits else remarks, bool(given)


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
