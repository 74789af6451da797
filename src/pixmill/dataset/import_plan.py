"""Plan an import: which images to copy, and what to record on those that ``data/`` has already."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pixmill.core.cells import Cells, merge_cells
from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_digest
from pixmill.core.metadata import Facts, read_metadata
from pixmill.core.names import class_by_name, class_folder, fold, to_nfc, to_slug, to_text
from pixmill.core.params import Params
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.detected import PRECEDENCE, Detected, Item
from pixmill.dataset.forgetting import forgotten_ids
from pixmill.dataset.several import with_cells
from pixmill.fetch.location import is_on
from pixmill.images.listing import files_below

UNLABELLED = "data/unlabelled"

_IMAGES = "images"
"""Folder in ``data/`` of images that may have several labels; it must not be a label itself."""

_COMPLETED = ("split", "group", "licence", "author", "page_url")
"""Facts that an image in ``data/`` gets from a later import if it lacks them."""

_ENDING = re.compile(r"\.[a-zA-Z0-9]{1,5}$")

_MAX_NAMED = 5

_FORGOTTEN = "Left out {} forgotten earlier (decisions.csv; scrape.exclude_*, opt_out)"
_SEVERAL_LABELS = "Left out {} with several labels"
_SEVERAL_GROUPS = "Left out {} with several groups"
_OTHER_LABEL = "Left out {} with another label (to change one: pixmill review)"
_TWO_ANSWERS = "Left out {} with a yes and a no for a label (to change one: pixmill review)"
_PRESENT = "Skipped {} that data/ or the import has already"
_LABELLED = "Labelled {} of data/ in decisions.csv"
_ADDED = "Added split, group or origin to {} in data/"
_KEPT = "Kept the split and group of {} that have others here"


@dataclass(frozen=True)
class ImportPlan:
    """What an import changes.

    Args:
        copies: Images to copy, by path below ``data/``.
        present: Images that ``data/`` has already.
        rows: All rows of ``data/metadata.csv`` afterwards.
        labels: Label and split, or an empty text, of images that ``data/`` has without a label, by
            id; they become decisions, so no file moves.
        notes: Lines on images that are left out or get facts.
        changes: Whether ``data/`` or a label changes.
    """

    copies: Mapping[str, Item]
    present: Sequence[Item]
    rows: Mapping[str, Facts]
    labels: Mapping[str, tuple[str, str]]
    notes: Sequence[str]
    changes: bool

    @property
    def items(self) -> list[Item]:
        """All images that are in ``data/`` afterwards."""
        return [*self.copies.values(), *self.present]


def plan_import(root: Path, found: Detected, params: Params) -> ImportPlan:
    """Plan an import into a project.

    Args:
        root: Project folder.
        found: The images.
        params: Params of the project, with the classes of the images.

    Raises:
        DataError: ``data/`` has fixed splits, or its table is malformed.
    """
    if found.items and params.scrape.folder.layout == "fixed":
        raise DataError(
            "data/ has a fixed split (scrape.folder.layout), to which no images are imported",
            next="copy them into data/train/ and data/test/, or into a project of their own: "
            "pixmill new NAME --from …",
        )
    planner = (_CellsPlanner if found.several else _Planner)(root, found.items, params)
    # An image in several splits stays out of training.
    items = sorted(found.items, key=lambda item: PRECEDENCE.index(item.facts.split))
    for item in track(items, "Plan", len(items)):
        planner.add(item)
    return planner.finish()


class _Planner:
    """Decides on one image after the other.

    Args:
        root: Project folder.
        items: All images of the import.
        params: Params of the project.
    """

    def __init__(self, root: Path, items: Sequence[Item], params: Params) -> None:
        self._scrape = params.scrape
        unlabelled = Path(params.evaluate.unlabelled or UNLABELLED)
        self._unlabelled = unlabelled.relative_to("data").as_posix()
        self._classes = class_by_name(params.classes, params.scrape.folder.classes)
        self._rows = read_metadata(root / "data")
        self._copies: dict[str, Item] = {}
        self._present: list[Item] = []
        self._given: dict[str, tuple[str, str]] = {}
        self._notes: dict[str, list[str]] = defaultdict(list)
        self._decided = DecisionTable(root).decided if items else {}
        forgotten = (name[:16] for name in forgotten_ids(self._decided))
        self._excluded = {*params.scrape.exclude_ids, *forgotten}
        files = [*files_below(root / "data")] if (root / "data").is_dir() else []
        self._taken = {fold(name) for name, _ in files}
        present = {str(path): to_nfc(name) for name, path in files if path.is_file()}
        self._contents = _read_contents(
            [item.file for item in items], present, reads_all=bool(self._excluded)
        )
        # All that the import says of a content.
        self._said: dict[str, list[Facts]] = defaultdict(list)
        for item in items:
            self._said[self._contents[item.file]].append(item.facts)
        self._files = self._index_files(present)

    def add(self, item: Item) -> None:
        """Decide on an image."""
        content = self._contents[item.file]
        files = self._files[content]
        label = self._key_of(item.facts)
        if why := self._find_obstacle(item, label):
            kind, name = why
            self._notes[kind].append(name)
        elif label in files:
            self._notes[_PRESENT].append(item.name)
            self._complete(item, files[label])
        elif files:
            name = files[self._unlabelled]
            self._notes[_LABELLED].append(f"{name} ({label})")
            self._given[content] = label, item.facts.split or ""
            self._complete(replace(item, facts=replace(item.facts, split=None)), name)
            files[label] = name
        else:
            name = free_path(self._folder_of(item.facts), item.name, self._taken)
            self._copies[name] = item
            self._rows[name] = self._facts_of(content, item.facts)
            files[label] = name

    def _key_of(self, facts: Facts) -> str:
        """Return what another file with the content must have in common."""
        label = facts.label or self._unlabelled
        return self._classes.get(label, label)

    def _folder_of(self, facts: Facts) -> str:
        return self._unlabelled if facts.label is None else class_folder(facts.label)

    def _facts_of(self, content: str, facts: Facts) -> Facts:  # noqa: ARG002 (equal files agree)
        return facts

    def finish(self) -> ImportPlan:
        """Return the plan."""
        notes = [
            f"{text.format(count(len(names), 'image'))}: {first_of(names, _MAX_NAMED)}"
            for text, names in self._notes.items()
        ]
        changes = bool(self._copies or self._given or _ADDED in self._notes)
        return ImportPlan(self._copies, self._present, self._rows, self._given, notes, changes)

    def _labels_of(self, content: str) -> set[str]:
        return {self._key_of(facts) for facts in self._said[content] if facts.label}

    def _index_files(self, present: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return the names of files in ``data/`` that the import has too, by content and label."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for file, name in present.items():
            content = self._contents.get(file, "")
            if content not in self._said:
                continue
            row = self._rows.get(name, Facts())
            is_pile = name.startswith(f"{self._unlabelled}/")
            came = self._unlabelled if is_pile else name.split("/")[0]
            label = self._key_of(replace(row, label=row.label or came))
            found[content][label] = name
            if decided := self._decided.get(content):
                found[content] |= dict.fromkeys(decided.labels, name)
        return found

    def _find_obstacle(self, item: Item, label: str) -> tuple[str, str] | None:
        """Return the kind and the words of the note on an image that is left out."""
        content = self._contents[item.file]
        facts = item.facts
        if content[:16] in self._excluded or self._is_from_excluded(facts):
            return _FORGOTTEN, item.name
        if dispute := self._find_dispute(content, label):
            return dispute[0], f"{item.name} ({dispute[1]})"
        if len({said.group for said in self._said[content] if said.group}) > 1:
            return _SEVERAL_GROUPS, f"{item.name} ({facts.group or 'no group'})"
        if other := self._find_other_label(content, label):
            return _OTHER_LABEL, f"{item.name} ({facts.label or 'no label'}) is {other}"
        return None

    def _find_dispute(self, content: str, label: str) -> tuple[str, str] | None:
        """Return the kind of note and the label, if what equal files say cannot be joined."""
        return (_SEVERAL_LABELS, label) if len(self._labels_of(content)) > 1 else None

    def _find_other_label(self, content: str, label: str) -> str:
        """Return the file or the label that contradicts a label; or an empty text."""
        files = self._files[content]
        if label in files or self._is_open(content):
            return ""
        others = [*files.values()] or sorted(self._labels_of(content) - {label})
        return others[0] if others else ""

    def _is_open(self, content: str) -> bool:
        """Return whether ``data/`` has an image without a label, and nobody gave or refused one."""
        decided = self._decided.get(content)
        is_decided = decided is not None and bool(decided.labels or decided.refused)
        return not is_decided and self._files[content].keys() == {self._unlabelled}

    def _is_from_excluded(self, facts: Facts) -> bool:
        is_by = facts.author in self._scrape.exclude_authors
        return is_by or is_on(facts.page_url, self._scrape.opt_out)

    def _complete(self, item: Item, name: str) -> None:
        """Add facts that the row of a file in ``data/`` lacks."""
        self._present.append(item)
        row = self._rows.get(name, Facts())
        added = {each: getattr(row, each) or getattr(item.facts, each) for each in _COMPLETED}
        full = self._facts_of(self._contents[item.file], replace(row, **added))
        if full != row:
            self._rows[name] = full
            self._notes[_ADDED].append(name)
        if item.facts.split not in (None, full.split) or item.facts.group not in (None, full.group):
            self._notes[_KEPT].append(f"{name} ({item.name})")


class _CellsPlanner(_Planner):
    """Decides on images that may have several labels: what equal files say is joined."""

    def _key_of(self, facts: Facts) -> str:  # noqa: ARG002 (other labels are no obstacle)
        return _IMAGES

    def _folder_of(self, facts: Facts) -> str:
        return self._folder if facts.cells else self._unlabelled

    @cached_property
    def _folder(self) -> str:
        folder = _IMAGES
        while folder in {*map(fold, self._classes)}:
            folder += "-all"
        return folder

    def _facts_of(self, content: str, facts: Facts) -> Facts:
        return with_cells(facts, self._join(content)[0])

    def _join(self, content: str) -> tuple[Cells, list[str]]:
        """Return what import and ``data/`` say of a content, and the disputed labels."""
        rows = [self._rows.get(name, Facts()).cells for name in self._files[content].values()]
        return merge_cells([*(facts.cells for facts in self._said[content]), *rows])

    def _find_dispute(self, content: str, label: str) -> tuple[str, str] | None:  # noqa: ARG002 (all labels count)
        disputed = self._join(content)[1]
        return (_TWO_ANSWERS, first_of(disputed)) if disputed else None


def _read_contents(
    files: Sequence[str], others: Iterable[str], *, reads_all: bool
) -> dict[str, str]:
    """Return a text for each file that is equal if the bytes are.

    It is the SHA-256 digest if another file is as large, or with ``reads_all``; other files are not
    read.

    Args:
        files: Files to import.
        others: Files in ``data/``; only those as large as a file to import are in the result.
        reads_all: Whether all digests are needed.
    """
    sizes = {file: Path(file).stat().st_size for file in files}
    wanted = {*sizes.values()}
    for file in others:
        size = Path(file).stat().st_size
        if size in wanted:
            sizes[file] = size
    several = Counter(sizes.values())
    return {
        file: file_digest(Path(file)) if reads_all or several[size] > 1 else file
        for file, size in track(sizes.items(), "Compare", len(sizes))
    }


def free_path(folder: str, name: str, taken: set[str]) -> str:
    """Return a path for an image, unique ignoring case, and add it to the taken ones.

    Folders become a part of the name, which :func:`pixmill.core.names.to_slug` makes portable.
    """
    flat = to_nfc(to_text(name)).replace("/", "-")
    ending = _ENDING.search(flat)
    stem = to_slug(_ENDING.sub("", flat).strip() or "image")
    suffix = ending[0] if ending else ""
    path = f"{folder}/{stem}{suffix}"
    number = 1
    while fold(path) in taken:
        number += 1
        path = f"{folder}/{stem}-{number}{suffix}"
    taken.add(fold(path))
    return path
