"""The source ``urls``: lists of URLs in local files."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import pandas as pd

from pixmill.core.errors import DataError, StorageError
from pixmill.core.names import to_nfc
from pixmill.core.params import UrlsParams
from pixmill.core.progress import Progress
from pixmill.core.words import count
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.open_images import find_labels, read_images, read_names
from pixmill.scrape.sources.source import Access, Kind, Source
from pixmill.scrape.sources.url_lists import COLUMNS, ROWS, kind_of, read_synset_names

_NAMED = 10
"""How many labels that no class takes a message names."""

_NAME_READERS = {"names": read_names, "synset_names": read_synset_names}
_TABLE = f"CREATE TABLE entries (label, {', '.join(COLUMNS)})".replace("bytes", "bytes INTEGER")
_INSERT = f"INSERT INTO entries VALUES (?{', ?' * len(COLUMNS)})"  # noqa: S608
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM entries WHERE label = ? ORDER BY rowid"  # noqa: S608


class UrlsSource(Source):
    """Give each class its addresses; a context manager.

    All lists are read once, by the first search, however many classes there are: what no class takes is passed over,
    and the rest waits in a temporary database without a name, which takes no memory to speak of.

    Args:
        params: Where the lists lie (with the files that belong to them: Open Images' labels and names, ImageNet's
            names), and what they call the classes; a class that is not named there goes by its own name.
        classes: The classes that addresses are looked for.
        root: The folder that paths are relative to.

    Raises:
        DataError: There is no list, one is missing, or one is of no known kind.
    """

    name = "urls"
    kind: Kind = "list"

    def __init__(self, params: UrlsParams, classes: Sequence[str], *, root: Path) -> None:
        if not params.files:
            raise DataError(
                "scrape.urls.files is empty; the source 'urls' reads its URLs from there",
                next="add a CSV file with the columns url and label to it",
            )
        self._lists = [(root / path, kind_of(root / path, params.format)) for path in params.files]
        self._labels = params.classes
        self._classes = classes
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._others: set[str] = set()
        self._unlabelled: dict[Path, int] = defaultdict(int)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()

    def remarks(self) -> list[str]:
        """Return a sentence for each list with rows that no class can take; after the first search."""
        return [
            f"{path.name} has {count(rows, 'row')} without a label, ignored"
            for path, rows in self._unlabelled.items()
            if rows
        ]

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (lists are looked up by class)
        """Return one query for a class, whatever else people look for."""
        first, *others = (path.name for path, _ in self._lists)  # no folder of this machine stands in a report
        return [Query(label, None, first if not others else f"{first} and {len(others)} more")]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (the lists lie here)
        """Yield the addresses of a class, in the order of the lists.

        Raises:
            DataError: A list is not what it must be.
            SearchError: No list has an address for the class.
        """
        rank = -1
        for rank, values in enumerate(self._entries().execute(_SELECT, [query.label])):
            yield Candidate(query.label, query.text, rank, **dict(zip(COLUMNS, values, strict=True)))
        if rank < 0:
            labels = "', '".join(self._labels.get(query.label, (query.label,)))
            others = f"; it has {', '.join(sorted(self._others))}" if self._others else ""
            raise SearchError(
                "no_results",
                f"{query.address} has no URL with the label '{labels}'{others}; set scrape.urls.classes to the "
                f"label of the class '{query.label}' in the lists",
            )

    def _entries(self) -> sqlite3.Connection:
        """Return the database with all entries that a class takes, by class and in the order of the lists."""
        with self._lock:
            if self._database is None:
                try:
                    database = sqlite3.connect("", check_same_thread=False)
                    database.execute(_TABLE)
                    with Progress("Read lists", unit="URL") as progress:
                        for rows in self._read():
                            cells = rows.reindex(columns=["label", *COLUMNS]).astype(object)
                            database.executemany(_INSERT, cells.where(cells.notna(), None).itertuples(False, None))
                            progress.advance(len(rows))
                    database.execute("CREATE INDEX by_label ON entries (label)")
                    self._database = database
                except sqlite3.DatabaseError as error:
                    raise StorageError(
                        f"the lists cannot be sorted: {error}",
                        next="free some space in the temporary folder, or set SQLITE_TMPDIR to another one, then: "
                        "dvc repro scrape",
                    ) from error
            return self._database

    def _read(self) -> Iterator[pd.DataFrame]:
        """Yield all entries that a class takes, with the class for a label."""
        classes = classes_by_label(self._classes, self._labels, self._names())
        labels, images = ([path for path, other in self._lists if other == kind] for kind in ("labels", "images"))
        if bool(labels) != bool(images):
            raise DataError(
                f"{(labels or images)[0]} is a list of Open Images' {'labels' if labels else 'images'}, and "
                f"its list of {'images' if labels else 'labels'} is missing; both are required",
                next="add both to scrape.urls.files in params.yaml",
            )
        members = _of_classes(find_labels(labels, set(classes)), classes).drop_duplicates() if labels else None
        for path, kind in self._lists:
            if kind == "images" and members is not None:
                yield from read_images(path, members)
            elif kind in ROWS:
                for rows in ROWS[kind](path):
                    rows["label"] = rows["label"].map(to_nfc, na_action="ignore")
                    self._unlabelled[path] += int(rows["label"].isna().sum())
                    others = set(rows["label"].dropna().unique()) - set(classes)
                    self._others |= set(sorted(others)[: _NAMED - len(self._others)])
                    yield _of_classes(rows, classes)

    def _names(self) -> dict[str, set[str]]:
        """Return the labels that go by a name, by the name in small letters: ``{"cat": {"/m/01yrx"}}``."""
        labels: dict[str, set[str]] = defaultdict(set)
        for path, kind in self._lists:
            if kind in _NAME_READERS:
                for name, label in _NAME_READERS[kind](path):
                    labels[to_nfc(name)].add(label)
        return labels


def _of_classes(rows: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the rows whose label stands for a class, once for each, with the class for a label."""
    return rows.assign(label=rows["label"].map(classes)).dropna(subset="label").explode("label")


def classes_by_label(
    classes: Sequence[str], labels: Mapping[str, Sequence[str]], names: Mapping[str, set[str]]
) -> dict[str, list[str]]:
    """Return the classes that each label stands for.

    Args:
        classes: The classes.
        labels: What the lists call a class; a class that is not in it goes by its own name.
        names: The labels that go by a name, by the name in small letters.

    Raises:
        DataError: A name has several labels: "crane" is a bird, and a machine.

    Examples:
        >>> classes_by_label(["cat", "pet"], {"pet": ["Cat", "Dog"]}, {"cat": {"/m/01yrx"}})
        {'/m/01yrx': ['cat', 'pet'], 'cat': ['cat'], 'Cat': ['pet'], 'Dog': ['pet']}
    """
    result: dict[str, list[str]] = {}
    for name in classes:
        for text in map(to_nfc, labels.get(name, [name])):
            meant = names.get(text.casefold(), set())
            if len(meant) > 1:
                raise DataError(
                    f"the lists of scrape.urls have several labels for '{text}': {', '.join(sorted(meant))}",
                    next=f"choose among them in scrape.urls.classes.{name} in params.yaml",
                )
            for label in sorted({text} | meant):
                if name not in result.setdefault(label, []):
                    result[label].append(name)
    return result
