"""Find images by tables that list their files, their URLs or their bytes."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from pathlib import Path, PurePosixPath

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.metadata import Facts
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of, join_names
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of
from pixmill.project.dataset.columns import (
    ROLES,
    guess_columns,
    is_url,
    one_hot,
    to_option,
    to_split,
    words_of,
)
from pixmill.project.dataset.found import Found, Item
from pixmill.project.dataset.named_files import MAX_NAMED, NO_IMAGES, UNLABELLED, NamedFiles, folder_label
from pixmill.project.dataset.table_files import SEPARATOR, SUFFIXES, Table, embedded_images, read_table

_SUBMISSION = re.compile("submission|submit", re.IGNORECASE)
"""In names of tables that show how to hand in results, and have no labels."""

_CLASS_LISTS = ("classes.txt", "labels.txt", "class_names.txt", "names.txt", "obj.names")
"""Files with the name of a class in each line, for numeric labels from 0 or 1."""

_LOST = {
    "missing": ("row without an existing image", "rows without an existing image"),
    "unclear": ("row that names several files", "rows that name several files"),
    "several": ("image with several labels", "images with several labels"),
    "twice": ("repeated row", "repeated rows"),
    "unnamed": ("image that no table names", "images that no table names"),
}
"""Why rows and images are left out."""

_MAX_TABLES = 100
"""Tables read in a folder, so that a file of annotations for each image is not."""

_FOLDER_IMAGES = 1000
"""Images of Parquet per folder that they are written to."""


def find_table(source: Path, *, columns: Mapping[str, str] | None = None, scratch: Path) -> Found | None:
    """Find the images that tables list.

    Tables name files in their folder or below, with or without ending, below another root or with backslashes, or
    URLs; Parquet may contain the images, which are written to ``scratch``. Rows of several tables on an image are
    joined. A split is that of the column, or of the image's folder or the table's name.

    Args:
        source: A table, or a folder with tables beside images.
        columns: Columns by role (``image``, ``label``, ``split``, ``group``, ``licence``, ``author``, ``page_url``);
            one-hot columns are joined by ``+``. Default: guessed, as are missing roles.
        scratch: Folder for images from Parquet; emptied first.

    Returns:
        The images, or ``None`` if ``source`` is a folder without a table that labels images.

    Raises:
        DataError: A column cannot be guessed or does not exist; or the table ``source`` cannot be read, or does not
            label images.
    """
    chosen = dict(columns or {})
    if wrong := [role for role in chosen if role not in ROLES]:
        raise DataError(f"--columns has no {wrong[0]}; it has {', '.join(ROLES)}", next="correct --columns")
    top = source if source.is_dir() else source.parent
    files = NamedFiles(top)
    tables = []
    for path in _list_tables(top) if source.is_dir() else [source]:
        try:
            tables.append(read_table(path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if path == source:
                raise DataError(f"{source} cannot be read as a table: {error}", next="save it as CSV") from None
    present = {name for table in tables for name in (*table.columns, table.embedded) if name}
    if tables and (absent := [name for name in chosen.values() if not present.issuperset(one_hot(name, present))]):
        has = first_of(sorted(present))
        raise DataError(f"no table has the column {absent[0]}; there are {has}", next="correct --columns")
    reading = _Reading(files, fresh_folder(scratch))
    for table in tables:
        roles = guess_columns(table, chosen, lambda cell, at=table.path: files.find(cell, at) is not None)  # type: ignore[misc]
        if "image" in roles:
            if source.is_dir():
                files.check_folders(table, roles, chosen)
            reading.read(table, roles)
        elif table.path == source:
            remote = {cell.split("://")[0] for cells in table.columns.values() for cell in cells if "://" in cell}
            raise DataError(
                f"{source} has no column of existing image files or URLs; it has {first_of(list(table.columns))}"
                + "".join(f"; {scheme}:// is not fetched" for scheme in sorted(remote - {"http", "https"})),
                next="put the images next to the table, or name the columns: --columns image=…,label=…",
            )
    found = reading.result(rest=source.is_dir(), in_folders=chosen.get("label") == "")
    if found is None and not source.is_dir():
        raise DataError(f"{source} has no column of labels", next="name it: --columns image=…,label=…")
    return found


def _list_tables(top: Path) -> list[Path]:
    found = [
        path
        for _, path in files_below(top)
        if path.suffix.lower() in SUFFIXES and not _SUBMISSION.search(path.stem) and path.is_file()
    ]
    small = [path for path in found if path.suffix.lower() != ".parquet"]
    return found if len(small) <= _MAX_TABLES else [path for path in found if path.parent == top or path not in small]


class _Reading:
    """Facts about images, joined from the rows of tables.

    Args:
        files: Files that tables name.
        scratch: Empty folder for images from Parquet.
    """

    def __init__(self, files: NamedFiles, scratch: Path) -> None:
        self._files, self._scratch = files, scratch
        self._facts: dict[str, Facts] = {}  # by file or URL
        self._names: dict[str, str] = {}  # of images from Parquet
        self._lost: dict[str, list[str]] = defaultdict(list)
        self._tables: list[tuple[Table, Mapping[str, str]]] = []

    def read(self, table: Table, roles: Mapping[str, str]) -> None:
        """Add the rows of a table."""
        self._tables.append((table, roles))
        keys = self._write_images(table) if table.embedded else self._find_images(table, roles["image"])
        cells = {role: table.columns[name] for role, name in roles.items() if role not in ("image", "label")}
        if "label" in roles:
            cells["label"] = _read_labels(table, roles["label"])
        seen = set()
        for number, key in keys:
            row = {role: values[number] or None for role, values in cells.items()}
            facts = Facts(**{**row, "split": self._split_of(key, table, row.get("split"))})
            if (before := self._facts.get(key)) is not None:
                labels = [label for each in (before, facts) if each.label for label in each.label.split(SEPARATOR)]
                if key in seen and before.label == facts.label:
                    self._lost["twice"].append(key)
                merged = (old or new for old, new in zip(astuple(before), astuple(facts), strict=True))
                facts = replace(Facts(*merged), label=SEPARATOR.join(dict.fromkeys(labels)) or None)
            self._facts[key] = facts
            seen.add(key)

    def _find_images(self, table: Table, column: str) -> Iterator[tuple[int, str]]:
        """Yield the number of each row with its file or URL."""
        cells = table.columns[column]
        sample = [cell for cell in cells if cell and not is_url(cell)][:200]
        exact = [cell for cell in sample if self._files.find(cell, table.path, is_loose=False) is not None]
        for number, cell in track(enumerate(cells), "Read rows", len(cells), unit="row"):
            key = cell if is_url(cell) else self._files.find(cell, table.path, is_loose=2 * len(exact) < len(sample))
            if key:
                yield number, key
            else:
                self._lost["missing" if key is None else "unclear"].append(cell or f"row {number + 1}")

    def _write_images(self, table: Table) -> Iterator[tuple[int, str]]:
        """Write the images of Parquet as files; yield the number of each row with its file."""
        assert table.embedded is not None
        images = embedded_images(table.path, table.embedded)
        for number, (content, path) in enumerate(track(images, f"Unpack {table.path.name}", table.rows)):
            if content is None:
                self._lost["missing"].append(f"row {number + 1} of {table.path.name}")
                continue
            ending = EXTENSIONS.get(sniff(content[:4096]), "")
            place = self._scratch / str(len(self._names) // _FOLDER_IMAGES) / f"{len(self._names)}{ending}"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
            name = (path or "").replace("\\", "/").rpartition("/")[2]
            self._names[str(place)] = name or f"{table.path.stem}-{number}{ending}"
            yield number, str(place)

    def _split_of(self, key: str, table: Table, cell: str | None) -> str | None:
        """Return the split by its cell, or else by the folders of the file or the table's path."""
        places = [] if key in self._names or is_url(key) else key.split("/")[:-1]
        places += table.path.relative_to(self._files.top).with_suffix("").parts
        words = [cell] if cell else [word for place in places for word in sorted(words_of(place))]
        return next(filter(None, map(to_split, words)), None)

    def result(self, *, rest: bool, in_folders: bool) -> Found | None:
        """Return what was found; ``None`` if no image has a label.

        Args:
            rest: Whether to look at files that no table names.
            in_folders: Whether images without a label have that of their folder, as with ``metadata.csv``.
        """
        named = {table.path.parent: None for table, _ in self._tables if table.path.stem == "metadata" or in_folders}
        bases = [base.relative_to(self._files.top).as_posix() for base in named]
        if rest and any(not is_url(key) and key not in self._names for key in self._facts):
            for name in self._files.names:
                words = {word for folder in name.split("/")[:-1] for word in words_of(folder)}
                if name in self._facts or words & NO_IMAGES:
                    continue
                if any(_label_below(base, name) for base in bases) or words & {"test", "testing", *UNLABELLED}:
                    self._facts[name] = Facts(split=next(filter(None, map(to_split, sorted(words))), None))
                elif PurePosixPath(name).suffix:
                    self._lost["unnamed"].append(name)
        for name, facts in self._facts.items():
            if facts.label is None and (
                label := next(filter(None, (_label_below(base, name) for base in bases)), None)
            ):
                self._facts[name] = replace(facts, label=label)
        several = [name for name, facts in self._facts.items() if SEPARATOR in (facts.label or "")]
        labelled = sum(facts.label is not None for facts in self._facts.values())
        if not labelled:
            return None
        if 2 * len(several) > labelled:
            raise DataError(
                f"{len(several):,} of {count(labelled, 'image')} have several labels; Pixmill takes one label an image",
                next="keep one label an image, or choose another column: --columns image=…,label=…",
            )
        for name in several:
            del self._facts[name]
        self._lost["several"] = several
        remarks = [*self._name_classes(), *self._settle_splits()]
        items, urls, reasons = [], {}, []
        for name, facts in track(self._facts.items(), "Look at files", len(self._facts), unit="file"):
            if is_url(name):
                urls[name] = facts
                continue
            path = Path(name) if name in self._names else self._files.top / name
            if (reason := reason_of(path)) in (None, "no_decoder"):
                items.append(Item(path, self._names.get(name, name), facts))
            else:
                reasons.append(reason)
        remarks += [f"{what}; {fix}" for _, what, fix in explain(filter(None, reasons))]
        options = next((to_option(roles) for _, roles in self._tables if "label" in roles), None)
        return Found(
            items, self._recognised(), urls, (*remarks, *self._left_out()), () if options is None else (options,)
        )

    def _name_classes(self) -> Iterator[str]:
        """Replace numeric labels by the names in a list of classes; yield a remark."""
        numbers = {facts.label for facts in self._facts.values() if facts.label}
        path = next(filter(Path.is_file, (self._files.top / name for name in _CLASS_LISTS)), None)
        if path is None or not all(label.isdecimal() for label in numbers):
            return
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        first = int(min(map(int, numbers)) > 0 and max(map(int, numbers)) == len(names))
        if max(map(int, numbers)) - first < len(names):
            for key, facts in self._facts.items():
                if facts.label:
                    self._facts[key] = replace(facts, label=names[int(facts.label) - first])
            yield f"classes are named by {path.name}, counted from {first}"

    def _settle_splits(self) -> Iterator[str]:
        """Keep given splits if images for training and for a test are labelled; yield a remark."""
        given = {facts.split for facts in self._facts.values() if facts.label} - {None}
        named: dict[str | None, str | None] = {split: split for split in given}
        if given and ("train" not in given or len(given) == 1):
            yield f"labelled images are in {join_names(sorted(filter(None, given)))} only: splits are drawn at random"
            named = {}
        elif given == {"train", "val"}:
            yield "there is no test split: val is used as test; val is taken from train"
            named = {"train": "train", "val": "test"}
        for key, facts in self._facts.items():
            self._facts[key] = replace(facts, split=named.get(facts.split) if facts.label else None)

    def _recognised(self) -> str:
        names: dict[str, list[str]] = defaultdict(list)
        kinds = {}
        for table, roles in self._tables:
            texts = [f"{role} = {first_of(one_hot(name, table.columns) or [name], 3)}" for role, name in roles.items()]
            names[f"({', '.join(texts)})"].append(table.path.relative_to(self._files.top).as_posix())
            kinds[f"({', '.join(texts)})"] = table.kind
        return "; ".join(f"{kinds[key]}, {first_of(paths, 3)} {key}" for key, paths in names.items())

    def _left_out(self) -> Iterator[str]:
        """Yield a sentence on rows and images that were left out."""
        parts = [
            f"{count(len(names), *_LOST[reason])} ({first_of(names, MAX_NAMED)})"
            for reason, names in self._lost.items()
            if names
        ]
        if parts:
            way = "; one label an image, several are not supported" if self._lost["several"] else ""
            yield f"left out: {'; '.join(parts)}{way}"


def _label_below(base: str, name: str) -> str | None:
    """Return the class that folders between a folder and an image name."""
    prefix = "" if base == "." else f"{base}/"
    return folder_label(name.removeprefix(prefix)) if name.startswith(prefix) else None


def _read_labels(table: Table, column: str) -> list[str]:
    """Return the labels of each row, joined by :data:`SEPARATOR`."""
    names = one_hot(column, table.columns)
    if len(names) > 1:
        rows = zip(*(table.columns[name] for name in names), strict=True)
        return [SEPARATOR.join(name for name, cell in zip(names, row, strict=True) if cell[:1] == "1") for row in rows]
    cells = table.columns[column]
    known = set(cells)
    joined = {
        cell: SEPARATOR.join(parts)
        for cell in known
        for parts in (re.split(r"\s*[|;,]\s*", cell), cell.split())
        if len(parts) > 1 and known.issuperset(parts)
    }
    return [joined.get(cell, cell) for cell in cells]
