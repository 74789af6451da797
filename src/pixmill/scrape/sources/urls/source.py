"""The source ``urls``: lists of addresses that people bring."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pixmill.errors import DataError
from pixmill.progress import Progress
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.source import Access, Kind
from pixmill.scrape.sources.urls.entry import Entry
from pixmill.scrape.sources.urls.kind import Format, kind_of
from pixmill.scrape.sources.urls.kind import Kind as FileKind
from pixmill.scrape.sources.urls.lines import read_addresses, read_synset_addresses, read_synset_names, read_tsv
from pixmill.scrape.sources.urls.meaning import Wanted, wanted_labels
from pixmill.scrape.sources.urls.open_images import find_members, read_images, read_names
from pixmill.scrape.sources.urls.spool import Spool
from pixmill.scrape.sources.urls.table import read_table

__all__ = ["UrlLists", "UrlsSource"]

_NAMED = 10
"""How many labels that no class takes a message names."""

_READERS = {"addresses": read_addresses, "synset_addresses": read_synset_addresses, "tsv": read_tsv}
_NAME_READERS = {"names": read_names, "synset_names": read_synset_names}


@dataclass(frozen=True)
class UrlLists:
    """Say where lists lie, and what they call the classes.

    Args:
        files: The lists, and the files that belong to them (Open Images' labels and names, ImageNet's names).
        format: What all of them are; ``auto`` tells by the content.
        classes: The labels that stand for a class, or the names of those labels; a class that is not in it goes by its
            own name.
    """

    files: tuple[Path, ...]
    format: Format = "auto"
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class UrlsSource:
    """Give each class its addresses; a context manager.

    All lists are read once, by the first search, however many classes there are: what no class wants is passed over,
    and the rest waits on disk, sorted by class.

    Args:
        lists: The lists.
        classes: The classes that addresses are looked for.
        scratch: The place for what waits.

    Raises:
        DataError: There is no list, one is missing, or one is of no known kind.
    """

    name = "urls"
    kind: Kind = "list"

    def __init__(self, lists: UrlLists, classes: Sequence[str], scratch: Path) -> None:
        if not lists.files:
            raise DataError(
                "scrape.urls.files is empty: the source 'urls' takes its addresses from there",
                next="name a CSV file with the columns url and label in it",
            )
        self._kinds = [(path, kind_of(path, lists.format)) for path in lists.files]
        self._lists = lists
        self._classes = classes
        self._scratch = scratch
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self._spool: Spool | None = None
        self._others: set[str] = set()
        self._unlabelled: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        self._spool = None

    def fingerprint(self) -> str:
        """Return nothing: the addresses lead to the live web."""
        return ""

    def remarks(self) -> list[str]:
        """Return a sentence for each list with rows that no class can take; after the first search."""
        return [
            f"{path.name} has {count} row{'' if count == 1 else 's'} without a label, not taken"
            for path, count in self._unlabelled.items()
        ]

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (lists are looked up by class)
        """Return one query for a class, whatever else people look for."""
        first, *others = (path.name for path in self._lists.files)  # no folder of this machine stands in a report
        return [Query(label, None, first if not others else f"{first} and {len(others)} more")]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (the lists lie here)
        """Yield the addresses of a class, in the order of the lists.

        Raises:
            DataError: A list is not what it must be.
            SearchFailed: No list has an address for the class.
        """
        rank = 0
        for entry in self._sorted().read(query.label):
            yield Candidate(query.label, query.text, rank, **entry._asdict())
            rank += 1
        if rank == 0:
            called = "', '".join(self._lists.classes.get(query.label, (query.label,)))
            others = f"; it has {', '.join(sorted(self._others))}" if self._others else ""
            raise SearchFailed(
                "no_results",
                f"{query.address} has no address with the label '{called}'{others}; say in scrape.urls.classes what "
                f"the lists call the class '{query.label}'",
            )

    def _sorted(self) -> Spool:
        with self._lock:
            if self._spool is None:
                with ExitStack() as opened:
                    spool = opened.enter_context(Spool(self._scratch))
                    progress = opened.enter_context(Progress("Read lists", unit="address"))
                    for label, entry in self._entries():
                        spool.add(label, entry)
                        progress.advance()
                    spool.flush()
                    self._opened.push(opened.pop_all())
                self._spool = spool
            return self._spool

    def _entries(self) -> Iterator[tuple[str, Entry]]:
        wanted = wanted_labels(self._classes, self._lists.classes, self._names())
        labels, images = self._of_kind("labels"), self._of_kind("images")
        if bool(labels) != bool(images):
            raise DataError(
                f"{(labels or images)[0]} is a list of Open Images' {'labels' if labels else 'images'}, and there is "
                f"none of its {'images' if labels else 'labels'}: each needs the other",
                next="name both in scrape.urls.files in params.yaml",
            )
        members = find_members(labels, wanted) if labels else {}
        for path, kind in self._kinds:
            if kind in {"addresses", "tsv"} and path.stem not in wanted:
                self._note(path.stem)
            elif kind == "table":
                yield from self._table(path, wanted)
            elif kind == "images":
                yield from read_images(path, members)
            elif kind in _READERS:
                yield from _READERS[kind](path, wanted)

    def _table(self, path: Path, wanted: Wanted) -> Iterator[tuple[str, Entry]]:
        for label, entry in read_table(path):
            if label is None:
                self._unlabelled[path] = self._unlabelled.get(path, 0) + 1
                continue
            classes = wanted.get(label, ())
            if not classes:
                self._note(label)
            for name in classes:
                yield name, entry

    def _note(self, label: str) -> None:
        """Remember a label that no class takes, for messages."""
        if len(self._others) < _NAMED:
            self._others.add(label)

    def _names(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for path, kind in self._kinds:
            if kind in _NAME_READERS:
                for name, label in _NAME_READERS[kind](path):
                    found[name].add(label)
        return {name: frozenset(labels) for name, labels in found.items()}

    def _of_kind(self, kind: FileKind) -> list[Path]:
        return [path for path, found in self._kinds if found == kind]
