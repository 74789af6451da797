"""The source ``folder``: local images by class folder or as ``metadata.csv`` says."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pixmill.core.cells import Cells, Task, render_cells
from pixmill.core.errors import DataError
from pixmill.core.files.writing import target_within
from pixmill.core.metadata import FILE, Facts, read_metadata
from pixmill.core.names import fold, to_nfc, to_slug, to_text
from pixmill.core.words import count, first_of
from pixmill.fetch import Fetched, Refused
from pixmill.images.listing import files_below
from pixmill.images.read_errors import explain, reason_of
from pixmill.scrape.candidate import EVERY, Candidate, Query
from pixmill.scrape.sources.source import Access, Kind, LocalSource, SearchError

Layout = Literal["classes", "fixed"]
"""``classes``: ``data/<class>/``; ``fixed``: a split of the user, ``data/<split>/<class>/`` with
the splits train, test and optionally val.
"""

_PARTS = ("test", "val", "train")
"""In order of precedence: an image in several splits stays out of training."""

_REQUIRED_PARTS = {"train", "test"}
_ADVICE = {
    "classes": "put images into data/<class>/, or use the bundled ones: pixmill demo",
    "fixed": "put images into data/train/<class>/ and data/test/<class>/",
}
UNLABELLED = "data/unlabelled"
"""Folder for images without a label, unless ``evaluate.unlabelled`` names another."""

_UNLABELLED = UNLABELLED.removeprefix("data/")

_TABLE = ".csv"
"""Extension of tables: ``metadata.csv``, and those of groups, see ``split.group_by``."""

_MAX_LOOKED_AT = 10_000
"""Files whose first bytes are read before a run."""

_MAX_NAMED = 20
"""Files or classes named in a message."""


class FolderSource(LocalSource):
    """Read the images of a folder.

    A row of ``metadata.csv`` labels an image anywhere in the folder, and has its origin; without a
    row or label, the image belongs to the class of its folder. Folders that are not declared as
    classes are read too; the gate of validate reports them, since a name may be misspelt. Hidden
    files are ignored.

    Args:
        data: The folder.
        layout: Layout of the folder.
        classes: Classes by the names of folders and labels, see
            :func:`pixmill.core.names.class_by_name`; default: each name is a class.

    Raises:
        DataError: The folder, or a required split of the fixed layout, is missing, or
            ``metadata.csv`` is invalid.
    """

    name = "folder"
    kind: Kind = "local"

    def __init__(
        self, data: Path, *, layout: Layout = "classes", classes: Mapping[str, str] | None = None
    ) -> None:
        if not data.is_dir():
            raise DataError(
                f"{data} is missing; the source 'folder' reads its images from there",
                next=_ADVICE[layout],
            )
        self._data = data
        self._classes = classes or {}
        rows = read_metadata(data)
        names = [name for name, _ in files_below(data) if to_nfc(name) in rows] if rows else []
        self._facts = {name: rows[to_nfc(name)] for name in names}
        self._stale = sorted(rows.keys() - {*map(to_nfc, names)})
        self._parts: dict[str | None, Path] = (
            _split_folders(data) if layout == "fixed" else {None: data}
        )

    def labels(self) -> list[str]:
        """Return the names of non-empty folders, sorted."""
        return sorted(map(to_text, self.files))

    def absence(self, label: str) -> str | None:
        """Return why a class has no image by the first bytes of files; ``None`` if it has."""
        existing = self._folders_of(label)
        folders = existing or [folder / to_slug(label) for folder in self._parts.values()]
        where = " and ".join(map(self._address, folders))
        be, have = ("is", "has") if len(folders) == 1 else ("are", "have")
        if label == _UNLABELLED:
            return f"{where} is never a class: it is for images without a label"
        if self._has_image(label):
            return None
        if not existing:
            return f"{where} {be} missing{self._spelt_otherwise(label)}"
        if any(target_within(folder, self._data) is None for folder in existing):
            return (
                f"{where} {be} a link out of {self._data.name}/, which is not followed: put a "
                "copy there instead"
            )
        files = [folder / name for folder in existing for name in _visible(folder)]
        if not files:
            return f"{where} {be} empty"
        below = "; subfolders are not read" if any(path.is_dir() for path in files) else ""
        return f"{where} {have} no image among {count(len(files), 'entry', 'entries')}{below}"

    def _folders_of(self, label: str) -> list[Path]:
        """Return the existing folders of a class."""
        return [
            folder / name
            for (folder, of), names in self._entries_by_label.items()
            if of == label
            for name in names
            if (folder / name).is_dir()
        ]

    def _has_image(self, label: str) -> bool:
        files = self.files.get(label, ())
        return any(self._reason(self._data / name) in (None, "no_decoder") for _, name in files)

    def _spelt_otherwise(self, label: str) -> str:
        """Return a clause on folders named like a class but for case; empty without any."""
        alike = {name for _, name in self._entries_by_label if fold(name) == fold(label)}
        return f", but there is {_some(sorted(alike))}, which differs in case" if alike else ""

    def gaps(self, labels: Sequence[str]) -> list[str]:
        """Return the class folders of a fixed split that are missing or empty."""
        return [
            f"{self._address(folder)}/{to_slug(label)}"
            for part, folder in self._parts.items()
            for label in labels
            if part is not None and all(each != part for each, _ in self.files.get(label, ()))
        ]

    def advice(self) -> str:
        """Return the next step if classes have no images."""
        others = [
            name
            for name in self.labels()
            if name not in {*_PARTS, _UNLABELLED} and not self.absence(name)
        ]
        return "put images there" + (
            f", or set classes to the folders with images: {_some(others)}" if others else ""
        )

    def remarks(self, *, used: Collection[str] = ()) -> list[str]:
        """Return a sentence for each ignored entry of the folder that may be a mistake.

        Args:
            used: Names of folders with another purpose.
        """
        return [*self._loose_files(), *self._stale_rows(), *self._other_folders(used)]

    def _loose_files(self) -> Iterator[str]:
        for folder in self._parts.values():
            loose = [
                name
                for name in _visible(folder)
                if not name.endswith(_TABLE)
                and not (folder / name).is_dir()
                and self._place(folder / name) not in self._labelled
            ]
            if loose:
                where = self._address(folder)
                yield f"{where} has files outside the class folders, ignored: {_some(loose)}"

    def _stale_rows(self) -> Iterator[str]:
        if self._stale:
            yield (
                f"data/{FILE} has {count(len(self._stale), 'row')} without a file, ignored: "
                f"{first_of(self._stale, _MAX_NAMED)}"
            )

    def _other_folders(self, used: Collection[str]) -> Iterator[str]:
        names = {name for name in _visible(self._data) if not name.endswith(_TABLE)}
        names -= self._labelled
        if None in self._parts:
            if names >= _REQUIRED_PARTS:
                yield (
                    f"{self._data.name} has the folders train and test: if they are a split of "
                    "yours, set scrape.folder.layout to fixed in params.yaml"
                )
            return
        others = sorted(names - {*_PARTS, _UNLABELLED, *used})
        if not others:
            return
        remark = (
            f"{self._data.name} has other entries than the splits train, val and test, ignored: "
            f"{_some(others)}"
        )
        folders = [name for name in others if (self._data / name).is_dir()]
        if folders:
            remark += (
                "; if they are images without a label to predict, set evaluate.unlabelled in "
                f"params.yaml, such as to {self._address(self._data / folders[0])}"
            )
        yield remark

    @cached_property
    def _entries_by_label(self) -> dict[tuple[Path, str], list[str]]:
        """Names of entries by split and label; names may differ in Unicode normalization."""
        found: dict[tuple[Path, str], list[str]] = defaultdict(list)
        for folder in self._parts.values():
            for name in _visible(folder):
                found[folder, self._class_of(name)].append(name)
        return found

    @cached_property
    def _labelled(self) -> set[str]:
        """Relative paths of the files that rows label and of all folders above them."""
        rows = [name.split("/") for name, facts in self._facts.items() if self._cells_of(facts)]
        return {"/".join(parts[:size]) for parts in rows for size in range(1, len(parts) + 1)}

    @cached_property
    def files(self) -> dict[str, list[tuple[str | None, str]]]:
        """Files by class: the split, if one is given, and the path relative to the folder."""
        found: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
        for name, cells in sorted(self._cells.items()):
            for label, answer in cells.items():
                if answer:
                    found[label].append((self._part_of(name), name))
        return found

    @cached_property
    def _cells(self) -> dict[str, Cells]:
        """What is known of each file with a label."""
        found: dict[str, Cells] = dict(self._unlisted_files())
        for name, facts in self._facts.items():
            if cells := self._cells_of(facts):
                found[name] = {self._class_of(label): answer for label, answer in cells.items()}
        return found

    def _cells_of(self, facts: Facts) -> Cells:
        return {facts.label: True} if facts.label else {}

    def refusals(self) -> Mapping[str, int] | None:
        """Return how many files surely lack each label; ``None`` if they have one label each."""
        return None

    def texts(self, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the texts for the column ``label`` by file, of those with a label of these classes."""
        return {name: (label,) for label in classes for _, name in self.files.get(label, ())}

    def _part_of(self, name: str) -> str | None:
        """Return the split that people gave a file."""
        top = name.partition("/")[0]
        return self._facts.get(name, Facts()).split or (top if top in self._parts else None)

    def _unlisted_files(self) -> Iterator[tuple[str, Cells]]:
        """Yield each file in a class folder that no row labels, and its class."""
        for folder in self._parts.values():
            for name in _visible(folder):
                if name != _UNLABELLED and (folder / name).is_dir():
                    for entry in _visible(folder / name):
                        path = self._place(folder / name / entry)
                        if path not in self._labelled:
                            yield path, {self._class_of(name): True}

    def _class_of(self, name: str) -> str:
        return self._classes.get(to_nfc(name), to_nfc(name))

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (a folder needs no words)
        """Return one query for the class."""
        folders = (self._address(folder / to_slug(label)) for folder in self._parts.values())
        return [Query(label, None, ", ".join(folders))]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (no permission needed)
        """Yield all entries in the folders of a class, sorted by name within a split.

        Raises:
            SearchError: The class has no folder or no files.
        """
        if not (files := self.files.get(query.label)):
            raise SearchError(
                "no_results", self.absence(query.label) or query.address, advice=self.advice()
            )
        for rank, (part, file) in enumerate(sorted(files, key=_by_part)):
            yield self._candidate(query.label, rank, to_text(file), part)

    def search_unlabelled(self, folder: Path) -> Iterator[Candidate]:
        """Yield the files of a folder and its subfolders that have no label in the table either.

        Args:
            folder: A folder below that of the source, or a missing one, which has no files.
        """
        files = files_below(folder, f"{self._place(folder)}/") if folder.is_dir() else ()
        for rank, (name, _) in enumerate(files):
            facts = self._facts.get(name, Facts())
            if not self._cells_of(facts):
                yield self._candidate(None, rank, name, facts.split)

    def _candidate(self, label: str | None, rank: int, name: str, part: str | None) -> Candidate:
        facts = self._facts.get(name, Facts())
        return Candidate(
            label,
            None,
            rank,
            f"{self._data.name}/{name}",
            page_url=facts.page_url,
            title=name.rpartition("/")[2],
            licence=facts.licence,
            author=facts.author,
            given_split=part,
        )

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return the content of a file in the folder.

        Args:
            address: Path of the file, starting with the name of the folder.
            max_bytes: Maximum file size.
        """
        try:
            target = target_within(self._data.parent / address, self._data)
            if target is None:
                return Refused("symlink", "a link out of the folder")
            if target.is_dir():
                return Refused("folder", "only files directly in a class folder are read")
            if not target.is_file():
                return Refused("special", "not a regular file")
            if target.stat().st_size > max_bytes:
                return Refused("too_large", f"more than {max_bytes} bytes")
            return Fetched(target.read_bytes(), address)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
            return Refused("unreadable", type(error).__name__)

    def unread(self) -> list[tuple[str, str]]:
        """Return a sentence on the files for each reason why some are not read, with the next step.

        With very many files, evenly spaced ones are looked at.
        """
        names = dict.fromkeys(name for each in self.files.values() for _, name in each)
        files = [self._data / name for name in names]
        looked = files[:: len(files) // _MAX_LOOKED_AT + 1]
        among = "" if looked == files else f" (of {len(looked):,} looked at)"
        # Scrape names other files in its report.
        plain = (None, "not_a_file", "unknown")
        reasons = [reason for path in looked if (reason := self._reason(path)) not in plain]
        return [(f"data/ has {what}{among}", remedy) for _, what, remedy in explain(reasons)]

    def _reason(self, path: Path) -> str | None:
        try:
            # A link out of the folder is not followed; one of git-annex without its content has no
            # target.
            is_outside = path.is_file() and target_within(path, self._data) is None
            return "not_a_file" if is_outside else reason_of(path)
        except (OSError, RuntimeError):
            return "not_a_file"

    def _address(self, folder: Path) -> str:
        return folder.relative_to(self._data.parent).as_posix()

    def _place(self, path: Path) -> str:
        return path.relative_to(self._data).as_posix()


class LabelsFolder(FolderSource):
    """Read the images of a folder that may have several labels, each once with all that is known.

    A row of ``metadata.csv`` says what an image has and has not. Only if none does, the image has
    the label of its folder.
    """

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (one query for all)
        """Return the same query for each class."""
        return [Query(EVERY, None, self._address(self._data))]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (no permission needed)
        """Yield all images of which a label is known, sorted by name within a split.

        Raises:
            SearchError: There are none.
        """
        if not self._cells:
            problem = f"{query.address} has no image in class folders or with labels in {FILE}"
            raise SearchError("no_results", problem, advice=self.advice())
        spots = [(self._part_of(name), name) for name in sorted(self._cells)]
        for rank, (part, name) in enumerate(sorted(spots, key=_by_part)):
            yield self._candidate(render_cells(self._cells[name]), rank, to_text(name), part)

    def texts(self, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:  # noqa: ARG002 (validate reports others)
        """Return the text of the cells of each file."""
        return {name: (render_cells(cells),) for name, cells in self._cells.items()}

    def refusals(self) -> Mapping[str, int]:
        """Return how many files surely lack each label."""
        return Counter(
            label for cells in self._cells.values() for label, has in cells.items() if not has
        )

    def _cells_of(self, facts: Facts) -> Cells:
        return facts.cells

    def absence(self, label: str) -> str | None:
        """Return that nothing is known of a label; ``None`` if an image has it or has it not."""
        if any(label in cells for cells in self._cells.values()):
            return None
        return f"no row of data/{FILE} and no folder names the label {label}"


FOLDERS: dict[Task, type[FolderSource]] = {"one_label": FolderSource, "labels": LabelsFolder}
"""The source by ``task``."""


def _by_part(file: tuple[str | None, str]) -> int:
    """Return the rank of a file's split: an image in several has that of its first sighting."""
    return (*_PARTS, None).index(file[0])


def _split_folders(data: Path) -> dict[str | None, Path]:
    """Return the folders of a fixed split.

    Raises:
        DataError: A required one is missing.
    """
    folders: dict[str | None, Path] = {
        part: data / part for part in _PARTS if (data / part).is_dir()
    }
    missing = sorted(_REQUIRED_PARTS - folders.keys())
    if missing:
        raise DataError(
            f"{data / missing[0]} is missing: the fixed layout needs the folders train and test "
            "(val is optional), with folders of classes",
            next=f"{_ADVICE['fixed']}, or set scrape.folder.layout to classes in params.yaml",
        )
    return folders


def _visible(folder: Path) -> list[str]:
    """Return the names in a folder, sorted as strings: on Windows, paths sort ignoring case."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _some(names: Sequence[str]) -> str:
    return first_of([*map(to_text, names)], _MAX_NAMED)
