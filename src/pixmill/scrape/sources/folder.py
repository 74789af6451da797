"""Local images: every file in ``data/<class>/``, or in ``data/<part>/<class>/``, as it is."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pixmill.core.errors import DataError
from pixmill.core.files.writing import target_within
from pixmill.core.params.names import fold, to_nfc, to_text
from pixmill.core.words import count, first_of
from pixmill.images import EXTENSIONS, sniff
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.source import Access, Kind, LocalSource
from pixmill.web.fetch import Fetched, Refused

Layout = Literal["classes", "fixed"]
"""``classes``: ``data/<class>/``; ``fixed``: ``data/train/<class>/`` and ``data/test/<class>/``, with or without a
``data/val/<class>/``: a split that people have made."""

_PARTS = ("test", "val", "train")
"""In the order that decides: an image that lies in two parts stays out of training."""

_NEEDED = {"train", "test"}
_PUT = "put images into data/train/<class>/ and data/test/<class>/"
_UNLABELLED = "unlabelled"
"""Below ``data/``: images that wait for a label, which no class ever takes."""
_HEAD = 4096
"""Bytes that tell a format."""
_NAMED = 20
"""How many files or classes a message names."""


class FolderSource(LocalSource):
    """Take the images in people's folders.

    Folders that are no class are taken too, with their name for a label: validate's gate then tells which labels nobody
    declared, where silence would hide a misspelt folder. Hidden files are left out.

    Args:
        data: The folder that people fill.
        layout: How it is divided.

    Raises:
        DataError: There is no such folder, or a part of a fixed split is missing in it.
    """

    name = "folder"
    kind: Kind = "local"

    def __init__(self, data: Path, *, layout: Layout = "classes") -> None:
        if not data.is_dir():
            raise DataError(
                f"{data} is missing; the source 'folder' reads its images from there",
                next=_PUT
                if layout == "fixed"
                else "put images into data/<class>/, or use the bundled ones: pixmill data",
            )
        self._data = data
        self._parts: dict[str | None, Path] = {None: data}
        if layout == "fixed":
            self._parts = {part: data / part for part in _PARTS if (data / part).is_dir()}
            for part in sorted(_NEEDED - self._parts.keys()):
                raise DataError(
                    f"{data / part} is missing: the fixed layout needs the folders train and test (val is optional), "
                    "each with a folder for each class",
                    next=f"{_PUT}, or set scrape.folder.layout to classes in params.yaml",
                )

    def labels(self) -> list[str]:
        """Return every folder with a file in it, by name."""
        return sorted({to_text(label) for folder, label in self._entries_by_label if self._files(folder, label)})

    def files(self, label: str) -> Iterator[tuple[str | None, str]]:
        """Yield the part and the address of everything in a class's folders, part by part, by name."""
        for part, folder in self._parts.items():
            for name in self._files(folder, label):
                yield part, f"{self._address(folder)}/{to_text(name)}"

    def absence(self, label: str) -> str | None:
        """Return in words why a class has no image here; ``None`` where it has one, by the first bytes of its files."""
        folders = [folder / label for folder in self._parts.values()]
        named = (
            folder / name for folder in self._parts.values() for name in self._entries_by_label.get((folder, label), [])
        )
        there = [folder for folder in named if folder.is_dir()]
        where = " and ".join(self._address(folder) for folder in there or folders)
        if label == _UNLABELLED:
            return f"{where} is never a class: it is for images without a label"
        files = [folder / name for folder in there for name in _visible(folder)]
        if any(self._is_image(path) for path in files):
            return None
        plural = len(there or folders) > 1
        if not there:
            alike = sorted({name for _, name in self._entries_by_label if fold(name) == fold(label)})
            but = f", but there is {_some(alike)}, which differs in case" if alike else ""
            return f"{where} {'are' if plural else 'is'} missing{but}"
        if not files:
            return f"{where} {'are' if plural else 'is'} empty"
        below = "; subfolders are not read" if any(path.is_dir() for path in files) else ""
        return f"{where} {'have' if plural else 'has'} no image among {count(len(files), 'entry', 'entries')}{below}"

    def gaps(self, labels: Sequence[str]) -> list[str]:
        """Return the folders of a fixed split that lack a class, or all files of it."""
        return [
            f"{self._address(folder)}/{label}"
            for part, folder in self._parts.items()
            for label in labels
            if part is not None and not self._files(folder, label)
        ]

    def advice(self) -> str:
        """Return what to do about classes without an image."""
        others = [name for name in self.labels() if name not in {*_PARTS, _UNLABELLED} and not self.absence(name)]
        return "put images there" + (f", or set classes to the folders with images: {_some(others)}" if others else "")

    def remarks(self, *, used: Collection[str] = ()) -> list[str]:
        """Return a sentence for each thing in the folder that is not taken and that someone may have meant to be.

        Args:
            used: Names of folders that serve another purpose. Default: none.
        """
        remarks = []
        for folder in self._parts.values():
            if loose := [name for name in _visible(folder) if not (folder / name).is_dir()]:
                remarks.append(f"{self._address(folder)} has files outside the class folders, ignored: {_some(loose)}")
        names = set(_visible(self._data))
        if None not in self._parts and (others := sorted(names - {*_PARTS, _UNLABELLED, *used})):
            remark = (
                f"{self._data.name} has other entries than the splits train, val and test, ignored: {_some(others)}"
            )
            if folders := [name for name in others if (self._data / name).is_dir()]:
                remark += "; if they are images without a label to predict, set evaluate.unlabelled in params.yaml"
                classes = {label for _, label in self._entries_by_label}
                if example := next((name for name in folders if to_nfc(name) not in classes), None):
                    remark += f", such as to {self._address(self._data / example)}"
            remarks.append(remark)
        if None in self._parts and names >= _NEEDED:
            remarks.append(
                f"{self._data.name} has the folders train and test: if they are a split of yours, "
                "set scrape.folder.layout to fixed in params.yaml"
            )
        return remarks

    @cached_property
    def _entries_by_label(self) -> dict[tuple[Path, str], list[str]]:
        """The entries of each part that stand for a label: macOS spells é as two characters, and others as one."""
        found: dict[tuple[Path, str], list[str]] = {}
        for folder in self._parts.values():
            for name in _visible(folder):
                found.setdefault((folder, to_nfc(name)), []).append(name)
        return found

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (a folder needs no words)
        """Return one query for a class, whatever else people look for."""
        return [Query(label, None, ", ".join(f"{self._address(folder)}/{label}" for folder in self._parts.values()))]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (no permission needed)
        """Yield everything in a class's folders, part by part, by name.

        Raises:
            SearchError: There is no such folder, or nothing in it.
        """
        rank = -1
        for rank, (part, path) in enumerate(self.files(query.label)):
            yield Candidate(query.label, None, rank, path, title=path.rpartition("/")[2], given_split=part)
        if rank < 0:
            raise SearchError("no_results", self.absence(query.label) or query.address, advice=self.advice())

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return the bytes of a file below the folder, and of none outside it.

        Args:
            address: Its path, from the name of the folder on.
            max_bytes: The largest file that is read.
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
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
            return Refused("unreadable", type(error).__name__)

    def _is_image(self, path: Path) -> bool:
        try:
            target = target_within(path, self._data)
            if target is None or not target.is_file():
                return False
            with target.open("rb") as stream:
                return sniff(stream.read(_HEAD)) in EXTENSIONS
        except (OSError, RuntimeError):
            return False

    def _files(self, folder: Path, label: str) -> list[str]:
        """Return the entries of a class's folders in a part, as paths; none where they are files, or no class."""
        names = [] if label == _UNLABELLED else self._entries_by_label.get((folder, label), [])
        return [f"{name}/{entry}" for name in names if (folder / name).is_dir() for entry in _visible(folder / name)]

    def _address(self, folder: Path) -> str:
        return folder.relative_to(self._data.parent).as_posix()


def _visible(folder: Path) -> list[str]:
    """Return the names in a folder, in the same order on every system: paths sort without regard to case on some."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _some(names: Sequence[str]) -> str:
    return first_of([*map(to_text, names)], _NAMED)
