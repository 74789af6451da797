"""Recognize folders of images: classes, splits, masks, and labels in file names."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.names import fold, join_option, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.images.formats import OTHER_FORMATS
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of
from pixmill.project.dataset.found import Found, Item
from pixmill.project.dataset.layouts import MAX_NAMED, SPLITS, WRAPPERS, Layout, Place, role_of

MAX_CLASSES = 20
"""Classes listed in a message."""

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

_Files = dict[Place, list[tuple[str, Path]]]
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
    layout = Layout(top, {*images, *promised}, [to_nfc(name) for name in classes])
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


def _look(top: Path) -> tuple[_Files, dict[Place, list[str]], list[str]]:
    """Return images by folder, reasons of unreadable files by folder, and other files."""
    images: dict[Place, list[tuple[str, Path]]] = {}
    problems: dict[Place, list[str]] = {}
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
    beside: dict[Place, set[str]] = {}
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


def _holds_masks(place: Place, images: _Files, beside: Mapping[Place, Collection[str]]) -> bool:
    parent, name = place[:-1], re.sub(r"[\W_]+", "", fold(place[-1]))
    if name not in _PERHAPS_MASKS:
        return name in _MASKS
    siblings = beside[parent]
    return any(other in WRAPPERS or role_of(other) in SPLITS for other in siblings) or bool(
        parent and len(images.get(parent, ())) >= len(images.get(place, ())) > 0
    )


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
    images: _Files, layout: Layout, pattern: re.Pattern[str] | None
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
    layout: Layout,
    labels: Collection[str | None],
    problems: Mapping[Place, Sequence[str]],
    promised: Collection[Place],
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
            + (f", or leave them out: --classes {join_option(rest)}" if 1 < len(rest) <= MAX_CLASSES else ""),
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
                + (f", or leave the others out: --classes {join_option(rest)}" if 1 < len(rest) <= MAX_CLASSES else ""),
            )
        for split in labels:
            if absent := [label for label in every if label not in labels[split]]:
                remarks.append(
                    f"the given {split} has no images of {first_of(absent, MAX_NAMED)}, which stops split: add some, "
                    "or draw train, val and test from all images (--ignore-splits)"
                )
    moved = {"val": "test"} if is_split and "test" not in labels else {}
    if moved:
        remarks.append("there is no test split: val is used as test; val is taken from train")
    if unlabelled := sum(n for facts, n in counts.items() if not facts.label):
        remarks.append(f"{count(unlabelled, 'image')} without a label: predicted, never learned from")
    return {
        facts: Facts(facts.label, moved.get(split := facts.split or "", split) if is_split and facts.label else None)
        for facts in counts
    }, remarks
