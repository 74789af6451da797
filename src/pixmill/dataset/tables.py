"""Find images by tables that list their files, their URLs or their bytes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.metadata import EXPORTED, Facts
from pixmill.core.names import MAX_LABEL, to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of, join_names, percent
from pixmill.dataset.archives import Room
from pixmill.dataset.columns import ONE_HOT, ROLES, denies, guess_columns, is_url, to_option
from pixmill.dataset.detected import PRECEDENCE, Detected, Item
from pixmill.dataset.folders import MAX_NAMED, settle_splits
from pixmill.dataset.label_files.unread import NO_LABELS, WAY_OUT, may_label, name_unread
from pixmill.dataset.layout import in_masks, role_of
from pixmill.dataset.named_files import NamedFiles, folder_label
from pixmill.dataset.row_facts import RowFacts, split_of
from pixmill.dataset.several import ONE_LABEL, VOTES, labels_of, named_labels
from pixmill.dataset.table_files import (
    NO_TABLE,
    SEPARATOR,
    SUFFIXES,
    Roles,
    Table,
    UnreadError,
    read_tables,
    unpack_images,
    within_limits,
)
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of

_USUAL = 0.25
"""Share of the images with several labels above which these are no mistakes."""

_VALUES = ("value", "answer", "present")
"""Columns that may say whether an image has the label of a row, which is not supported."""

_SECOND_SPLIT = "rows in a second split, of images that stay out of training"

_MAX_LOST = 0.5
"""Share of the images that may be left out because they have several labels."""


def find_table(
    source: Path,
    *,
    columns: Roles | None = None,
    scratch: Path,
    several: bool | None = None,
    votes: bool = False,
    no_splits: bool = False,
) -> Detected | dict[Path, str]:
    """Find the images that tables list.

    Tables name files in their folder or below, with or without ending, below another root or with
    backslashes, or URLs; Parquet may contain the images, which are written to ``scratch``. Rows of
    several tables on an image are joined. A split is that of the column, or of the image's folder
    or the table's path. In a folder with a table ``metadata``, images without a label have that of
    their folder.

    Args:
        source: A table, or a folder with tables beside images.
        columns: Columns by role (``image``, ``label``, ``split``, ``group``, ``licence``,
            ``author``, ``page_url``). Default: guessed, as are missing roles.
        scratch: Folder for images from Parquet; emptied first.
        several: Whether an image may have several labels, so that facts join them, see
            :mod:`pixmill.dataset.several`. Default: if a cell lists several, or columns of labels
            do, or the rows of many images.
        votes: Whether different labels in the rows of an image are votes: the image has the label
            of more than half of the rows.
        no_splits: Whether to ignore splits.

    Returns:
        The images; or, if ``source`` is a folder without a table that labels images, why none of
        its tables does.

    Raises:
        DataError: A column cannot be guessed or does not exist; a cell is no answer, or an image has and
            has not a label; most images have several labels, against ``several``; or the table
            ``source`` cannot be read, or does not label images.
        UnreadError: The only tables are too large or have no header.
    """
    chosen = _check_roles(columns or {})
    is_folder = source.is_dir()
    paths = _tables_in(source) if is_folder else [source]
    if not paths:
        return {}
    tables, problems, reasons = within_limits(partial(read_tables, paths), paths)
    _check_columns(chosen.values(), tables)
    files = NamedFiles(source if is_folder else source.parent)
    reading = _Reading(
        files, fresh_folder(scratch), several, has_votes=votes, has_splits=not no_splits
    )
    problems += reading.add_tables(tables, chosen, guesses_folders=is_folder)
    reading.add_unnamed(is_folder=is_folder)
    used = {table.path: roles for table, roles in reading.tables}
    reasons |= {table.path: _missing_column(table, used.get(table.path)) for table in tables}
    found = reading.result()
    if found:
        remarks = [problem.remark for problem in problems]
        if is_folder:
            others = [path for _, path in files_below(source) if path not in used]
            remarks = name_unread(filter(may_label, others), source, reasons) + remarks
        return replace(found, remarks=(*found.remarks, *remarks))
    if problems:
        raise problems[0]
    if is_folder:
        return reasons
    raise DataError(f"no labels are read from {source}: {reasons[source]}", next=WAY_OUT)


def _missing_column(table: Table, roles: Roles | None) -> str:
    """Return which column a table lacks, if it gives no labels.

    Args:
        table: The table.
        roles: Roles of its columns; ``None`` if it lists no images.
    """
    is_list = roles is not None and "label" not in roles
    wanted = "labels" if is_list else "existing image files, or of URLs (http, https)"
    return f"it has no column of {wanted}; it has {first_of(_names_of([table]))}"


def _check_roles(columns: Roles) -> dict[str, str]:
    chosen = {"licence" if role == "license" else role: name for role, name in columns.items()}
    for role in chosen:
        if role not in ROLES:
            raise DataError(
                f"--columns has no {role}; it has {', '.join(ROLES)}", next="correct --columns"
            )
    return chosen


def _names_of(tables: Sequence[Table]) -> list[str]:
    """Return the names of all columns."""
    return sorted({name for table in tables for name in (*table.columns, *table.sure.values())})


def _check_columns(chosen: Iterable[str], tables: Sequence[Table]) -> None:
    present = _names_of(tables)
    absent = [name for name in chosen if name not in {ONE_HOT, *present}]
    if tables and absent:
        raise DataError(
            f"no table has the column {absent[0]}; there are {first_of(present)}",
            next="correct --columns",
        )


def _tables_in(top: Path) -> list[Path]:
    """Return the files in a folder that may be tables of labels."""
    return [
        path
        for _, path in files_below(top)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not NO_LABELS.fullmatch(path.name)
    ]


class _Reading:
    """Facts about images, joined from the rows of tables.

    Args:
        files: Files that tables name.
        scratch: Empty folder for images from Parquet.
        several: Whether an image may have several labels; ``None``: the tables say it.
        has_votes: Whether different labels of an image are votes on one.
        has_splits: Whether given splits count.
    """

    def __init__(
        self,
        files: NamedFiles,
        scratch: Path,
        several: bool | None,
        *,
        has_votes: bool,
        has_splits: bool,
    ) -> None:
        self._several = several
        self._has_votes = has_votes
        self._has_splits = has_splits
        self._votes: dict[str, Counter[str]] = {}  # of images with several rows
        self._padded: list[str] = []  # cells and files
        self.tables: list[tuple[Table, Roles]] = []
        self._files = files
        self._scratch = scratch
        self._items: list[Item] = []  # from Parquet
        self._rows: dict[str, Facts] = {}  # by file or URL
        self._first: dict[str, str] = {}  # the first row with a label
        self._lost: dict[str, list[str]] = defaultdict(list)  # by reason

    def add_tables(
        self, tables: Sequence[Table], chosen: Roles, *, guesses_folders: bool
    ) -> list[UnreadError]:
        """Add tables that name images, and return why others cannot be read."""
        names = self._files.names if guesses_folders else []
        classes = {*filter(None, map(folder_label, names))}
        problems = []
        for table in track(tables, "Read", len(tables), unit="table"):
            folders = classes if table.path.stem != "metadata" else ()
            find = partial(self._files.find, table=table.path)
            try:
                roles = guess_columns(table, chosen, find, folders, several=self._several)
            except UnreadError as error:
                problems.append(error)
                continue
            if "image" in roles:
                self._add(table, roles)
        return problems

    def _add(self, table: Table, roles: Roles) -> None:
        self.tables.append((table, roles))
        facts_of = RowFacts(table, roles, self._files.top, self._several)
        if self._several is None and facts_of.has_several:
            self._several = True
        image = roles["image"]
        if image not in table.columns:
            self._add_images(table, image, facts_of)
            return
        for number, (cell, key) in enumerate(self._find(table.columns[image], table.path)):
            if key is None:
                named = cell or f"row {number + 1}"
                self._lost["rows that name no image, or several"].append(named)
            else:
                folders = () if is_url(key) else key.split("/")[:-1]
                facts = facts_of(number, folders)
                self._join(key, facts)
                self._note_first(facts, table.where(number))
                _refuse_contradiction(self._rows[key], f"{table.where(number)}: {key}")

    def _note_first(self, facts: Facts, row: str) -> None:
        for label in named_labels(facts):
            if len(label) > MAX_LABEL:
                column = self.tables[-1][1].get("label")
                raise DataError(
                    f"{row}, column {column}: a label has more than {MAX_LABEL} characters",
                    next="shorten it, or choose another column: --columns image=…,label=…",
                )
            self._first.setdefault(label, row)

    def _join(self, key: str, facts: Facts) -> None:
        """Join a row with the earlier ones on the same image."""
        before = self._rows.get(key)
        if before is None:
            self._rows[key] = facts
            return
        votes = self._votes.setdefault(key, Counter(filter(None, [before.label])))
        votes.update(filter(None, [facts.label]))
        first, second = sorted((before.split, facts.split), key=PRECEDENCE.index)
        if second not in (None, first):
            self._lost[_SECOND_SPLIT].append(key)
        self._rows[key] = Facts(
            label=_join(before.label, facts.label),
            not_label=_join(before.not_label, facts.not_label),
            split=first,
            group=_join(before.group, facts.group),
            licence=before.licence or facts.licence,
            author=before.author or facts.author,
            page_url=before.page_url or facts.page_url,
        )

    def _find(self, cells: Sequence[str], table: Path) -> list[tuple[str, str | None]]:
        """Return each cell with its file or URL; by name alone if most are in other folders."""
        for is_loose in (False, True):
            find = partial(self._files.find, table=table, is_loose=is_loose)
            tracked = track(cells, "Find files", len(cells), unit="row")
            keys = [cell if is_url(cell) else find(cell) for cell in tracked]
            if 2 * keys.count(None) < len(keys):
                break
        found = [*zip(cells, keys, strict=True)]
        self._padded += [
            f"{cell} is {key}"
            for cell, key in found
            if key and cell.isdecimal() and Path(key).stem != cell
        ]
        return found

    def _add_images(self, table: Table, column: str, facts_of: Callable[[int], Facts]) -> None:
        """Write the images of Parquet as files, and add them with the facts of their rows."""
        folder = self._scratch / str(len(self.tables))
        act = partial(unpack_images, table.path, column, folder, Room(table.path, self._scratch))
        try:
            files = within_limits(act, [table.path])
        except NO_TABLE as error:
            if getattr(error, "errno", None):  # Arrow's own errors have no number.
                raise
            raise UnreadError(
                f"{table.path} has damaged images: {error}", next="copy or download it again"
            ) from None
        for number, file in enumerate(files):
            if file is None:
                self._lost["rows without an image"].append(f"row {number + 1} of {table.path.name}")
            else:
                facts = facts_of(number)
                self._items.append(Item(*file, facts))
                self._note_first(facts, table.where(number))

    def add_unnamed(self, *, is_folder: bool) -> None:
        """Add images that no table names and that need no label, and labels of folders.

        Args:
            is_folder: Whether the tables are those of a folder. Beside another table, only if it is
                called ``metadata``, as then the folders are the classes.
        """
        bases = [
            f"{table.path.parent.relative_to(self._files.top).as_posix()}/".removeprefix("./")
            for table, _ in self.tables
            if table.path.stem == "metadata"
        ]
        for name in self._files.names if self._rows and (is_folder or bases) else ():
            label = _label_below(bases, name)
            folders = name.split("/")[:-1]
            facts = self._rows.get(name)
            if facts:
                self._rows[name] = replace(facts, label=facts.label or label or facts.label)
            elif _is_image(folders, label):
                self._rows[name] = Facts(label, split_of(folders))
            elif Path(name).suffix:
                self._lost["images that no table names"].append(name)

    def result(self) -> Detected | None:
        """Return what was found; ``None`` if no image has a label."""
        remarks = self._count_votes() if self._has_votes else []
        if self._padded:
            names = first_of(self._padded, 2)
            remarks.append(f"numbers without the leading zeros of files: {names}")
        found = [
            *self._items,
            *(Item(f"{self._files.top}/{name}", name, facts) for name, facts in self._rows.items()),
        ]
        labelled = [item.facts for item in found if item.facts.label]
        if not labelled:
            return None
        several = self._has_several(labelled)
        found = found if several else [*map(_with_one, found)]
        given = {facts.split for facts in labelled if facts.split}
        splits, more = self._settle(given) if self._has_splits else ({}, [])
        if not splits:
            self._lost.pop(_SECOND_SPLIT, None)
        remarks += more
        items, urls, more = self._sort_out(
            [item.with_split(splits) for item in found], several=several
        )
        remarks += [*more, *self._describe_lost(), *self._describe_unused()]
        is_open = _share(labelled) <= _MAX_LOST and self._main[1].get("label") != ONE_HOT
        options = (
            to_option(self._main[1]),
            *([VOTES] * self._may_vote),
            *([ONE_LABEL] * (several and is_open)),
        )
        what = self._describe(several=several)
        return Detected(items, what, urls, tuple(remarks), options, several, self._first)

    def _count_votes(self) -> list[str]:
        """Give each image the label of more than half of its rows; return a remark."""
        decided = 0
        for key, votes in self._votes.items():
            if label := _majority(votes):
                self._rows[key] = replace(self._rows[key], label=label)
                decided += len(votes) > 1
            elif votes:
                self._lost["images without a majority of votes"].append(key)
                del self._rows[key]
        if self._votes and not self._rows:
            raise DataError("most rows of no image agree", next=f"repeat without {VOTES}")
        return [f"decided by a majority of votes: {count(decided, 'image')}"]

    @property
    def _may_vote(self) -> bool:
        """Whether votes would decide on most images whose rows have different labels."""
        contested = [votes for votes in self._votes.values() if len(votes) > 1]
        decided = sum(map(bool, map(_majority, contested)))
        return not (self._several or self._has_votes) and 0 < decided >= len(contested) / 2

    @property
    def _way_out(self) -> str:
        """How to take images with several labels."""
        vote = f"; that of most rows: {VOTES}" if self._may_vote else ""
        return f"all of them: pixmill new NAME --from X --task labels{vote}"

    def _has_several(self, labelled: Sequence[Facts]) -> bool:
        """Return whether an image may have several labels; by default, if many have.

        Raises:
            DataError: Most have, against what a person says; or a column has a no for labels.
        """
        share = _share(labelled)
        several = share > _USUAL if self._several is None else self._several
        if not several and share > _MAX_LOST:
            raise DataError(
                f"{percent(share, 0)} of the images have several labels",
                next=f"choose another column: --columns image=…,label=…; {self._way_out}",
            )
        table, _ = self._main
        for name in _VALUES if several else ():
            if denies(table.columns.get(name, [])):
                raise DataError(
                    f"{table.path}: {name} has yes and no for the label of each row",
                    next="make a column of each label, or leave out the rows with a no, and "
                    f"remove {name}",
                )
        return several

    @property
    def _main(self) -> tuple[Table, Roles]:
        """The first table with labels, and its columns by role."""
        return max(self.tables, key=lambda each: "label" in each[1])

    def _describe(self, *, several: bool) -> str:
        _, roles = self._main
        paths = [each.path.relative_to(self._files.top).as_posix() for each, _ in self.tables]
        names = {ONE_HOT: "a column for each label"} if several else {}
        columns = ", ".join(f"{role} = {names.get(name, name)}" for role, name in roles.items())
        kinds = dict.fromkeys(each.kind for each, _ in self.tables)
        return f"{' and '.join(kinds)}, {first_of(paths, 3)}: {columns}"

    @property
    def _is_export(self) -> bool:
        return any({*EXPORTED} <= table.columns.keys() for table, _ in self.tables)

    def _settle(self, given: AbstractSet[str]) -> tuple[Mapping[str | None, str], list[str]]:
        """Return the splits to use by those of labelled images, and a remark."""
        splits, remarks = settle_splits(given)
        absent = sorted({"train", "test"} - given)
        if self._is_export and absent:
            advice = "add some, or draw the splits: --ignore-splits"
            return {name: name for name in given}, [
                f"no exported image is in {join_names(absent)}: {advice}"
            ]
        if given and not splits:
            names = join_names(sorted(given))
            return {}, [f"labelled images are in {names} only: splits are drawn at random"]
        return splits, remarks

    def _sort_out(
        self, found: list[Item], *, several: bool
    ) -> tuple[list[Item], dict[str, Facts], list[str]]:
        """Return readable images, facts of URLs, and remarks on others."""
        items: list[Item] = []
        urls: dict[str, Facts] = {}
        reasons: list[str] = []
        for item in track(found, "Look at files", len(found), unit="file"):
            if SEPARATOR in (item.facts.label or "") and not several:
                self._lost[f"images with several labels ({self._way_out})"].append(item.name)
            elif SEPARATOR in (item.facts.group or ""):
                self._lost["images with several groups (not supported)"].append(item.name)
            elif is_url(item.name):
                urls[item.name] = item.facts
            elif (reason := reason_of(item.path)) in (None, "no_decoder"):
                items.append(item)
            else:
                reasons.append(reason)
        remarks = [f"{what}; {fix}" for _, what, fix in explain(reasons)]
        classes = {item.facts.label for item in found if item.facts.label and not several}
        return items, urls, [*remarks, *_describe_overruled(items, classes)]

    def _describe_lost(self) -> list[str]:
        lost = [
            f"{what}: {len(each):,} ({first_of(each, MAX_NAMED)})"
            for what, each in self._lost.items()
        ]
        return [f"left out: {'; '.join(lost)}"] if lost else []

    def _describe_unused(self) -> list[str]:
        own = {*EXPORTED, "image"} if self._is_export else set()
        unused = [
            name
            for table, roles in self.tables
            for name, cells in table.columns.items()
            if any(cells) and name not in own.union(roles.values())
        ]
        return [f"not used: {first_of([*dict.fromkeys(unused)])}"] if unused else []


def _share(labelled: Sequence[Facts]) -> float:
    """Return the share of the images with several labels."""
    return sum(SEPARATOR in (facts.label or "") for facts in labelled) / len(labelled)


def _majority(votes: Counter[str]) -> str | None:
    """Return the label of more than half of the rows of an image."""
    return next((label for label in votes if 2 * votes[label] > votes.total()), None)


def _label_below(bases: Sequence[str], name: str) -> str | None:
    """Return the label that the folders below a table ``metadata`` give."""
    for base in bases:
        if name.startswith(base) and (label := folder_label(name.removeprefix(base))):
            return label
    return None


def _is_image(folders: Sequence[str], label: str | None) -> bool:
    """Return whether a file that no table names is an image with a label, or needs none."""
    needs_none = not {"test", "unlabelled"}.isdisjoint(map(role_of, folders))
    return not in_masks(folders) and (label is not None or needs_none)


def _with_one(item: Item) -> Item:
    """Return an image without what only images with several labels have."""
    facts = replace(item.facts, label=item.facts.label or None, not_label=None)
    return replace(item, facts=facts)


def _refuse_contradiction(facts: Facts, where: str) -> None:
    both = {*labels_of(facts.label)} & {*labels_of(facts.not_label)}
    if both:
        raise DataError(
            f"{where} has and has not the label {first_of(sorted(both))}",
            next="keep one of the two answers, or leave the cell empty",
        )


def _describe_overruled(items: Sequence[Item], classes: set[str]) -> list[str]:
    """Return a remark on images whose folders name another class than the table."""
    names = []
    for item in items:
        folders = classes.intersection(map(to_nfc, item.name.split("/")[:-1]))
        if item.facts.label and folders and item.facts.label not in folders:
            names.append(item.name)
    which = f"{count(len(names), 'image')}: {first_of(names, MAX_NAMED)}"
    return [f"the table overrules the folder of {which}"] if names else []


def _join(*cells: str | None) -> str | None:
    """Return the distinct values of cells, separated by :data:`SEPARATOR`."""
    values = SEPARATOR.join(filter(None, cells)).split(SEPARATOR)
    joined = SEPARATOR.join(dict.fromkeys(values))
    return joined or (None if {*cells} == {None} else "")
