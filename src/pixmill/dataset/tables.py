"""Find images by tables that list their files, their URLs or their bytes."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.metadata import COLUMNS, EXPORTED, SPLITS, Facts
from pixmill.core.names import to_nfc
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of, join_names
from pixmill.dataset.archives import Room
from pixmill.dataset.columns import ONE_HOT, ROLES, guess_columns, is_url, to_option
from pixmill.dataset.detected import PRECEDENCE, Detected, Item
from pixmill.dataset.folders import MAX_NAMED, settle_splits
from pixmill.dataset.layout import in_masks, role_of
from pixmill.dataset.named_files import NamedFiles, folder_label
from pixmill.dataset.table_files import (
    SEPARATOR,
    SUFFIXES,
    Table,
    UnreadError,
    read_tables,
    unpack_images,
    within_limits,
)
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of

_SUBMISSION = re.compile("submission|submit", re.IGNORECASE)
"""In names of tables that show how to hand in results, and have no labels."""


def find_table(
    source: Path, *, columns: Mapping[str, str] | None = None, scratch: Path
) -> Detected | None:
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

    Returns:
        The images, or ``None`` if ``source`` is a folder without a table that labels images.

    Raises:
        DataError: A column cannot be guessed or does not exist; most images have several labels; or
            the table ``source`` cannot be read, or does not label images.
        UnreadError: The only tables are too large or have no header.
    """
    chosen = {
        "licence" if role == "license" else role: name for role, name in (columns or {}).items()
    }
    if wrong := [role for role in chosen if role not in ROLES]:
        raise DataError(
            f"--columns has no {wrong[0]}; it has {', '.join(ROLES)}", next="correct --columns"
        )
    top = source if source.is_dir() else source.parent
    paths = _tables_in(source) if source.is_dir() else [source]
    tables, problems = (
        within_limits(partial(read_tables, paths, skips=source.is_dir()), paths)
        if paths
        else ([], [])
    )
    present = {name for table in tables for name in (*table.columns, *table.sure.values())}
    if tables and (absent := [name for name in chosen.values() if name not in {ONE_HOT, *present}]):
        has = first_of(sorted(present))
        raise DataError(
            f"no table has the column {absent[0]}; there are {has}", next="correct --columns"
        )
    files = NamedFiles(top)
    reading = _Reading(files, fresh_folder(scratch))
    classes = {*filter(None, map(folder_label, files.names if source.is_dir() else ()))}
    for table in track(tables, "Read", len(tables), unit="table"):
        folders = classes if table.path.stem != "metadata" else ()
        try:
            is_file = partial(_names_file, files, table.path)
            roles = guess_columns(table, chosen, is_file, folders)
        except UnreadError as error:
            problems.append(error)
            continue
        if "image" in roles:
            reading.add(table, roles)
    if source.is_dir() or any(table.path.stem == "metadata" for table, _ in reading.tables):
        reading.add_unnamed()
    if found := reading.result():
        return replace(found, remarks=(*found.remarks, *(problem.remark for problem in problems)))
    if problems:
        raise problems[0]
    if not source.is_dir():
        wanted = "labels" if reading.tables else "existing image files, or of URLs (http, https)"
        fix = "put the images next to the table, or name the columns: --columns image=…,label=…"
        raise DataError(
            f"{source} has no column of {wanted}; it has {first_of(sorted(present))}", next=fix
        )
    return None


def _names_file(files: NamedFiles, table: Path, cell: str) -> bool:
    return files.find(cell, table) is not None


def _tables_in(top: Path) -> list[Path]:
    """Return the files in a folder that may be tables of labels."""
    named = [
        path for _, path in files_below(top) if path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    return [path for path in named if not _SUBMISSION.search(path.stem)]


class _Reading:
    """Facts about images, joined from the rows of tables.

    Args:
        files: Files that tables name.
        scratch: Empty folder for images from Parquet.
    """

    def __init__(self, files: NamedFiles, scratch: Path) -> None:
        self.tables: list[tuple[Table, Mapping[str, str]]] = []
        self._files = files
        self._scratch = scratch
        self._items: list[Item] = []  # from Parquet
        self._rows: dict[str, Facts] = {}  # by file or URL
        self._lost: dict[str, list[str]] = defaultdict(list)  # by reason

    def add(self, table: Table, roles: Mapping[str, str]) -> None:
        """Add the rows of a table."""
        self.tables.append((table, roles))
        cells = {role: table.columns[name] for role, name in roles.items() if role != "image"}
        if "label" in cells:
            cells["label"] = [*map(to_nfc, cells["label"])]
            if roles["label"] not in table.sure.values() and not {*COLUMNS} <= table.columns.keys():
                cells["label"] = _mark_several(cells["label"])
        above = table.path.relative_to(self._files.top).with_suffix("").parts

        def facts_of(number: int, folders: Sequence[str] = ()) -> Facts:
            row = {role: values[number] or None for role, values in cells.items()}
            cell = row.get("split")
            row["split"] = _split_of([cell] if cell else [*folders, *above])
            return Facts(**row)

        if roles["image"] not in table.columns:
            self._add_images(table, roles["image"], facts_of)
            return
        for number, (cell, key) in enumerate(self._find(table.columns[roles["image"]], table.path)):
            if key is None:
                self._lost["rows that name no image, or several"].append(
                    cell or f"row {number + 1}"
                )
                continue
            facts = facts_of(number, () if is_url(key) else key.split("/")[:-1])
            if before := self._rows.get(key):
                both = sorted((before.split, facts.split), key=PRECEDENCE.index)
                merged = Facts(
                    *(old or new for old, new in zip(astuple(before), astuple(facts), strict=True))
                )
                label = _join(before.label, facts.label)
                group = _join(before.group, facts.group)
                facts = replace(merged, label=label, split=both[0], group=group)
                if both[1] not in (None, both[0]):
                    self._lost[
                        "rows in a second split, of images that stay out of training"
                    ].append(key)
            self._rows[key] = facts

    def _find(self, cells: Sequence[str], table: Path) -> list[tuple[str, str | None]]:
        """Return each cell with its file or URL; names alone count only if most are in other folders."""
        for is_loose in (False, True):
            find = partial(self._files.find, table=table, is_loose=is_loose)
            tracked = track(cells, "Find files", len(cells), unit="row")
            keys = [cell if is_url(cell) else find(cell) for cell in tracked]
            if 2 * keys.count(None) < len(keys):
                break
        return [*zip(cells, keys, strict=True)]

    def _add_images(self, table: Table, column: str, facts_of: Callable[[int], Facts]) -> None:
        """Write the images of Parquet as files, and add them with the facts of their rows."""
        folder = self._scratch / str(len(self.tables))
        act = partial(unpack_images, table.path, column, folder, Room(table.path, self._scratch))
        for number, file in enumerate(within_limits(act, [table.path])):
            if file is None:
                self._lost["rows without an image"].append(f"row {number + 1} of {table.path.name}")
            else:
                self._items.append(Item(*file, facts_of(number)))

    def add_unnamed(self) -> None:
        """Add images that no table names and that need no label, and the labels that folders give."""
        tops = [table.path.parent for table, _ in self.tables if table.path.stem == "metadata"]
        bases = [
            f"{top.relative_to(self._files.top).as_posix()}/".removeprefix("./") for top in tops
        ]
        for name in self._files.names if self._rows else ():
            folders = name.split("/")[:-1]
            labels = [
                folder_label(name.removeprefix(base)) for base in bases if name.startswith(base)
            ]
            label = next(filter(None, labels), None)
            if facts := self._rows.get(name):
                self._rows[name] = replace(facts, label=facts.label or label)
            elif not in_masks(folders) and (
                label or {"test", "unlabelled"} & {*map(role_of, folders)}
            ):
                self._rows[name] = Facts(label, _split_of(folders))
            elif Path(name).suffix:
                self._lost["images that no table names"].append(name)

    def result(self) -> Detected | None:
        """Return what was found; ``None`` if no image has a label."""
        found = [
            *self._items,
            *(Item(f"{self._files.top}/{name}", name, facts) for name, facts in self._rows.items()),
        ]
        labels = [item.facts.label for item in found if item.facts.label]
        classes = {*labels}
        if not labels:
            return None
        joined = sum(SEPARATOR in label for label in labels)
        if 2 * joined > len(labels):
            problem = (
                f"{joined:,} of {len(labels):,} images have several labels; Pixmill takes "
                "one label an image"
            )
            raise DataError(
                problem, next="keep one, or choose another column: --columns image=…,label=…"
            )
        is_export = any({*EXPORTED} <= table.columns.keys() for table, _ in self.tables)
        given = sorted(
            {item.facts.split for item in found if item.facts.label and item.facts.split}
        )
        splits, remarks = settle_splits(given)
        if is_export and (absent := sorted({"train", "test"}.difference(given))):
            splits = {name: name for name in given}
            remarks = [
                (
                    f"no exported image is in {join_names(absent)}: add some, or draw the splits: "
                    "--ignore-splits"
                )
            ]
        elif given and not splits:
            remarks = [
                f"labelled images are in {join_names(given)} only: splits are drawn at random"
            ]
        items: list[Item] = []
        urls: dict[str, Facts] = {}
        reasons: list[str] = []
        overruled: list[str] = []
        for item in track(found, "Look at files", len(found), unit="file"):
            facts = replace(
                item.facts, split=splits.get(item.facts.split) if item.facts.label else None
            )
            if several := [
                role for role in ("label", "group") if SEPARATOR in (getattr(facts, role) or "")
            ]:
                self._lost[f"images with several {several[0]}s (not supported)"].append(item.name)
            elif is_url(item.name):
                urls[item.name] = facts
            elif (reason := reason_of(item.path)) in (None, "no_decoder"):
                items.append(replace(item, facts=facts))
                folders = classes.intersection(map(to_nfc, item.name.split("/")[:-1]))
                if facts.label and folders and facts.label not in folders:
                    overruled.append(item.name)
            else:
                reasons.append(reason)
        remarks += [f"{what}; {fix}" for _, what, fix in explain(reasons)]
        if overruled:
            which = first_of(overruled, MAX_NAMED)
            remarks.append(
                f"the table overrules the folder of {count(len(overruled), 'image')}: {which}"
            )
        if self._lost:
            lost = (
                f"{what}: {len(each):,} ({first_of(each, MAX_NAMED)})"
                for what, each in self._lost.items()
            )
            remarks.append(f"left out: {'; '.join(lost)}")
        unused = {
            name: None
            for table, roles in self.tables
            for name, cells in table.columns.items()
            if name not in {*roles.values()}
            and any(cells)
            and not (is_export and name in (*EXPORTED, "image"))
        }
        if unused:
            remarks.append(f"not used: {first_of([*unused])}")
        table, roles = max(self.tables, key=lambda each: "label" in each[1])
        paths = [each.path.relative_to(self._files.top).as_posix() for each, _ in self.tables]
        text = ", ".join(f"{role} = {name}" for role, name in roles.items())
        return Detected(
            items,
            f"{table.kind}, {first_of(paths, 3)}: {text}",
            urls,
            (*remarks,),
            (to_option(roles),),
        )


def _split_of(names: Sequence[str]) -> str | None:
    return next((role for role in map(role_of, names) if role in SPLITS), None)


def _join(*cells: str | None) -> str | None:
    """Return the distinct values of cells, separated by :data:`SEPARATOR`."""
    return (
        SEPARATOR.join(dict.fromkeys(SEPARATOR.join(filter(None, cells)).split(SEPARATOR))) or None
    )


def _mark_several(cells: Sequence[str]) -> list[str]:
    """Return cells of labels; labels in a cell that joins some of the others are separated by :data:`SEPARATOR`.

    Labels themselves may have commas and spaces, so these separate others only if most cells have
    several.
    """
    known = Counter(filter(None, cells))
    for sign in "|;, ":
        parts = {cell: [*map(str.strip, cell.split(sign))] for cell in known if sign in cell}
        joined = {
            cell: SEPARATOR.join(each) for cell, each in parts.items() if known.keys() >= {*each}
        }
        if joined and (sign in "|;" or 2 * sum(known[cell] for cell in joined) > known.total()):
            return [joined.get(cell, cell) for cell in cells]
    return [*cells]
