"""Recognise folders of images: classes, splits, masks, and labels in file names."""

import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.names import fold, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.dataset.detected import Detected, Item
from pixmill.dataset.label_files.unread import may_label, name_unread
from pixmill.dataset.layout import File, Layout, read_layout
from pixmill.dataset.several import ONE_LABEL, labels_of, parts_of, split_lists
from pixmill.images.formats import OTHER_FORMATS
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of

MAX_NAMED = 5
"""Files or classes listed in a message."""

_JUNK = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini", "README.md"}
"""Folders and files that systems leave behind, and what describes a data set."""

_PROMISED = {"lfs", "annex", "svg", *OTHER_FORMATS}
"""Reasons of images in other places or formats; a class of such files is refused, not left out."""

_PATTERN = r"(?:^|/)(?:\d+[ ._-]+)?([^\W\d_][^/]*?)[ ._(-]*\d*\)?\.\w+$"
"""A pattern to propose: the label, with a number before or after it."""


def find_in_folder(
    top: Path,
    classes: Sequence[str] = (),
    *,
    pattern: str | None = None,
    no_splits: bool = False,
    several: bool | None = None,
    unread: Mapping[Path, str] | None = None,
) -> Detected:
    """Find labelled images in class folders, in those of splits, or by their file names.

    Folders that only wrap others are entered; images in subfolders of a class belong to it. Names
    of items are relative to the class folder. ``classes`` and ``pattern`` come first; of the rest,
    masks are left out, and images in folders such as ``unlabelled`` have no label.

    Args:
        top: Folder to search.
        classes: Folders to take as classes, at any depth; default: the outermost ones. Without
            class folders, all images are taken without a label.
        pattern: Regular expression, searched in the paths relative to ``top``, with slashes; its
            first group, or all of it without groups, is the label; images that it does not match
            have none. Default: the folder is the label.
        no_splits: Whether to ignore that folders are named after splits.
        several: Whether names of folders such as ``a,b`` list several labels. Default: if each of
            them is in ``classes`` or in the name of a second folder.
        unread: Why no labels are read from files that were tried.

    Raises:
        DataError: There are no images, no readable image of a class, or none in ``train``.
    """
    files, remarks = _look(top, unread or {})
    wanted = {*map(to_nfc, classes)}
    lists = set() if several is False else _lists_of(files, wanted)
    layout = read_layout(files, wanted | lists, pattern)
    if not layout.labels:
        if pattern or not wanted:
            raise _propose(top, [file.name for file in layout.images], remarks)
        return replace(find_all(top, None), options=("--pattern",))
    every = {*layout.labels.values()}
    chosen = wanted | lists or every
    items, outside = _choose(layout, chosen, has_pattern=bool(pattern))
    split = _split_lists(items, True if lists else several)
    _require_present(top, chosen - _labels_of([*items, *split]), every, remarks)
    remarks += _describe_rest(top, layout, items, outside, every - chosen)
    settled, more, has_splits = _settle(split, no_splits=no_splits)
    remarks += more
    is_by_split = has_splits and not no_splits
    remarks += _advise(layout, guesses=not pattern and not wanted, is_by_split=is_by_split)
    recognised = f"labels in file names, pattern {pattern}" if pattern else "class folders"
    options: tuple[str, ...] = ("--classes", "--pattern")
    if has_splits:
        recognised += ", by split"
        options += ("--ignore-splits",)
    is_list = split != items
    options += (ONE_LABEL,) * is_list
    return Detected(settled, recognised, remarks=tuple(remarks), options=options, several=is_list)


def _lists_of(files: Sequence[File], wanted: Collection[str]) -> set[str]:
    """Return the folders whose names list wanted labels."""
    names = {name for file in files for name in file.place if "," in name}
    return {name for name in names if {*parts_of(name, ",")}.issubset(wanted)}


def _labels_of(items: Sequence[Item]) -> set[str]:
    return {label for item in items for label in labels_of(item.facts.label)}


def _split_lists(items: list[Item], several: bool | None) -> list[Item]:
    """Return the images with the labels that the names of their folders list."""
    if several is False:
        return items
    names = sorted({"", *_labels_of(items)})
    lists = dict(zip(names, split_lists(names, ",", several=several), strict=True))
    return [
        replace(item, facts=replace(item.facts, label=lists[item.facts.label or ""] or None))
        for item in items
    ]


def _advise(layout: Layout, *, guesses: bool, is_by_split: bool) -> list[str]:
    """Return remarks on how to overrule what was guessed."""
    remarks = []
    if guesses and layout.has_subfolders():
        remarks.append(
            "subfolders belong to their class; to take the innermost as classes: --pattern "
            "'([^/]+)/[^/]+$'"
        )
    if layout.dates:
        remarks.append(
            "folders of dates or counters are above the classes; to take those as classes: "
            f"--pattern '{layout.pattern_of_folders(layout.dates)}'"
        )
    if is_by_split and not layout.has_train_folder():
        remarks.append(
            "images that are in no folder of a split are used as train; to draw the splits: "
            "--ignore-splits"
        )
    return remarks


def _describe_rest(
    top: Path, layout: Layout, items: Sequence[Item], outside: Collection[str], others: set[str]
) -> list[str]:
    """Return remarks on what is left out or has no label."""
    masks = f"to take them: --pattern '{layout.pattern_of_folders()}'"
    return [
        *_left_out("images in no class folder", outside, "to label them: --pattern"),
        *_left_out("other classes", others, "to take them: --classes"),
        *_left_out("masks", layout.masks, masks),
        *_name_unlabelled(top, items),
    ]


def _require_present(
    top: Path, lacking: Collection[str], every: Collection[str], remarks: Sequence[str]
) -> None:
    """Refuse a class without a readable image."""
    if lacking:
        has = first_of(sorted({*every}.difference(lacking))) or "none"
        problem = f"{top} has no images of {first_of(sorted(lacking))}; it has {has}"
        raise DataError(
            "\n".join([problem, *remarks]), next="put right what is left out, or correct --classes"
        )


def _name_unlabelled(top: Path, items: Sequence[Item]) -> list[str]:
    without = [item.path for item in items if not item.facts.label]
    if not without:
        return []
    example = without[0].relative_to(top).as_posix()
    return [
        f"{count(len(without), 'image')} without a label, such as {example}: predicted, never "
        "learned from; if their folder is a class, list it in --classes, too"
    ]


def find_all(top: Path, label: str | None) -> Detected:
    """Find all images in a folder tree, whatever their folders and names are.

    Args:
        top: Folder to search.
        label: Label of all of them; ``None``: they have none.

    Raises:
        DataError: There are no images.
    """
    files, remarks = _look(top, {})
    items = [Item(str(file.path), file.name, Facts(label)) for file in files if not file.is_lost]
    return Detected(
        items, f"images of {label}" if label else "images without a label", remarks=tuple(remarks)
    )


def _look(top: Path, unread: Mapping[Path, str]) -> tuple[list[File], list[str]]:
    """Return images, and lines on what is not read, each with the next step.

    Raises:
        DataError: There are no images.
    """
    if not top.is_dir():
        raise DataError(
            f"{top} is not a folder", next="omit --pattern and --label, or give a folder"
        )
    files: list[File] = []
    reasons: list[str] = []
    others: dict[str, list[str]] = defaultdict(list)
    every = [(name, path) for name, path in files_below(top) if _JUNK.isdisjoint(name.split("/"))]
    annotations: list[Path] = []
    for name, path in track(every, "Look at files", len(every), unit="file"):
        reason = reason_of(path)
        if reason in (None, "no_decoder", *_PROMISED):
            place = tuple(to_nfc(folder).strip() for folder in name.split("/")[:-1])
            files.append(File(place, name, path, reason in _PROMISED))
        if reason in ("unknown", "archive") and may_label(path):
            annotations.append(path)
        elif reason in ("unknown", "not_a_file"):
            others[_kind_of(path)].append(name)
        elif reason not in (None, "no_decoder"):
            reasons.append(reason)
    remarks = name_unread(annotations, top, unread)
    remarks += [f"{what}; {fix}" for _, what, fix in explain(reasons)]
    fixes = {
        "folders that are links or locked": f"cp -rL {shlex.quote(str(top))} COPY (follows "
        "links), and give COPY",
        "broken links": "restore the files that they name",
        "other files": "convert those that are images to PNG or JPEG",
    }
    for kind, fix in fixes.items():
        remarks += _left_out(kind, others[kind], fix)
    if all(file.is_lost for file in files):
        raise DataError(
            "\n".join([f"{top} has no images", *remarks]),
            next="put right what is left out, or give a folder that has images",
        )
    return files, remarks


def _kind_of(path: Path) -> str:
    """Return what a path is that is no image file."""
    if not path.exists():
        return "broken links"
    return "folders that are links or locked" if path.is_dir() else "other files"


def _left_out(kind: str, names: Collection[str], fix: str) -> list[str]:
    return (
        [f"left out: {kind} ({len(names):,}): {first_of(sorted(names), MAX_NAMED)}; {fix}"]
        if names
        else []
    )


def _choose(
    layout: Layout, taken: Collection[str], *, has_pattern: bool
) -> tuple[list[Item], list[str]]:
    """Return the images to import, and the names of those that have no label but would need one.

    Args:
        layout: What folders and names say.
        taken: Classes to import.
        has_pattern: Whether a pattern gives the labels.
    """
    # Outside training, images need no label; with a pattern, nowhere but beside the splits.
    blank: set[str | None] = {"val", "test", "unlabelled"}
    if has_pattern:
        blank |= {"", "train"}
    items: list[Item] = []
    outside: list[str] = []
    for file in layout.images:
        label = layout.labels.get(file.name)
        spot = layout.spots[file.place]
        if label is None and spot.split not in blank:
            outside.append(file.name)
        elif not file.is_lost and (label is None or label in taken):
            name = "/".join((*spot.inner, file.name.rpartition("/")[2]))
            items.append(Item(str(file.path), name, Facts(label, spot.split)))
    return items, outside


def _propose(top: Path, names: Sequence[str], remarks: Sequence[str]) -> DataError:
    """Return the refusal of a folder without class folders, with a pattern for names of files."""
    labels = [to_nfc(match[1]) for name in names if (match := re.search(_PATTERN, name))]
    advice = "give a pattern of the label: --pattern '([a-z]+)_'"
    if 1 < len({*labels}) < len(labels):
        advice = (
            f"repeat the command with --pattern '{_PATTERN}' (gives "
            f"{first_of(sorted({*labels}), MAX_NAMED)})"
        )
    problem = f"{top}: neither class folders nor --pattern label files such as {first_of(names, 3)}"
    otherwise = (
        f"put the images into {top}/<class>/, or name the classes, folders or labels to "
        "give later: --classes A,B"
    )
    return DataError("\n".join([problem, *remarks]), next=f"{advice}, or {otherwise}")


def _settle(items: Sequence[Item], *, no_splits: bool) -> tuple[list[Item], list[str], bool]:
    """Return the images with the splits to record, remarks, and whether splits are given.

    Args:
        items: Images with the splits of their folders.
        no_splits: Whether to ignore splits.
    """
    labels: dict[str | None, set[str]] = defaultdict(set)
    for item in items:
        if item.facts.label:
            labels[item.facts.split].update(labels_of(item.facts.label))
    given, remarks = settle_splits(labels)
    if no_splits:
        return [item.with_split({}) for item in items], [], bool(given)
    for split in given:
        absent = sorted(set().union(*labels.values()) - labels[split])
        if absent and split == "train":
            raise _refuse_train(absent, labels["train"])
        if absent:
            gap = "nothing is measured on these classes there; add some, or use --ignore-splits"
            remarks.append(f"the given {split} has no images of {first_of(absent)}: {gap}")
    return [item.with_split(given) for item in items], remarks, bool(given)


def _refuse_train(absent: Sequence[str], labels: Collection[str]) -> DataError:
    """Return the refusal of a given train without images of some classes."""
    has = f"{first_of(absent, MAX_NAMED)}, only of {first_of(sorted(labels), MAX_NAMED)}"
    why = "a class is learned from those in train"
    fix = "draw train, val and test from all images: --ignore-splits; or leave classes out: "
    fix += "--classes"
    if not {*map(fold, absent)}.isdisjoint(map(fold, labels)):
        why = "names differ in upper and lower case"
        fix = "rename folders, so that the name of a class is the same in each split"
    return DataError(f"the given train has no images of {has}; {why}", next=fix)


def settle_splits(given: Iterable[str | None]) -> tuple[dict[str | None, str], list[str]]:
    """Return the splits to use by those of labelled images, none unless one is to test; a remark.

    Args:
        given: Splits of labelled images; those without a name count for nothing.
    """
    names = {split for split in given if split}
    if not {"train"} < names:
        return {}, []
    if "test" not in names:
        return {"train": "train", "val": "test"}, [
            "there is no test split: val is used as test; train gives val"
        ]
    return {name: name for name in names}, []
