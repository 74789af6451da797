"""Pictures that people brought: every file in ``data/<class>/``, or in ``data/<part>/<class>/``, as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pixmill.errors import DataError
from pixmill.fetch import Fetched, Refused
from pixmill.files import target_within
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.source import Access, Kind

__all__ = ["FolderSource", "Layout"]

Layout = Literal["classes", "fixed"]
"""``classes``: ``data/<class>/``; ``fixed``: ``data/train/<class>/`` and ``data/test/<class>/``, with or without a
``data/val/<class>/``: a split that people have made."""

_PARTS = ("test", "val", "train")
"""In the order that decides: a picture that lies in two parts stays out of training."""

_NEEDED = {"train", "test"}
_UNLABELLED = "unlabelled"
"""Below ``data/``: pictures that wait for a label, which no class ever takes."""
_NAMED = 3
"""How many files a remark names."""

_MANY = 20
"""How many classes an advice names."""


class FolderSource:
    """Take the pictures in people's folders.

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
                f"{data} is missing: the source 'folder' takes <class>/<file> from it",
                next="put pictures into data/<class>/, or for the bundled ones: make data",
            )
        self._data = data
        self._parts: tuple[str | None, ...] = (None,)
        if layout == "fixed":
            self._parts = tuple(part for part in _PARTS if (data / part).is_dir())
            for part in _PARTS:
                if part in _NEEDED and part not in self._parts:
                    raise DataError(
                        f"{data / part} is missing: a fixed layout has the folders train and test, and val if "
                        "there is one, with a folder for each class in them",
                        next="put them there, or set scrape.folder.layout to classes in params.yaml",
                    )

    def fingerprint(self) -> str:
        """Return nothing: a folder is read anew each time."""
        return ""

    def labels(self) -> list[str]:
        """Return every folder with a file in it, by name."""
        found = {
            name
            for part in self._parts
            for name in _visible(self._folder(part))
            if self._is_class(name, part) and _visible(self._folder(part) / name)
        }
        return sorted(_text(name) for name in found)

    def remarks(self) -> list[str]:
        """Return a sentence for each thing in the folder that is not taken and that someone may have meant to be."""
        remarks = []
        for part in self._parts:
            folder = self._folder(part)
            loose = [name for name in _visible(folder) if not (folder / name).is_dir()]
            if loose:
                count = "1 file" if len(loose) == 1 else f"{len(loose)} files"
                some = _some(loose)
                remarks.append(f"{self._address(part)} holds {count} outside the classes' folders, not taken: {some}")
        beside = [name for name in _visible(self._data) if name not in {*_PARTS, _UNLABELLED}]
        if self._parts != (None,) and beside:
            remarks.append(
                f"{self._data.name} holds more than the parts of a split, which are called train, val and test; not "
                f"taken: {_some(beside)}"
            )
        if self._parts == (None,) and all((self._data / part).is_dir() for part in _NEEDED):
            remarks.append(
                f"{self._data.name} holds the folders train and test: where these are a split that people have made, "
                "set scrape.folder.layout to fixed in params.yaml"
            )
        return remarks

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (a folder needs no words)
        """Return one query for a class, whatever else people look for."""
        return [Query(label, None, ", ".join(f"{self._address(part)}/{label}" for part in self._parts))]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (nobody need be asked)
        """Yield everything in a class's folders, part by part, by name.

        Raises:
            SearchFailed: There is no such folder, or nothing in it.
        """
        rank, missing = 0, True
        for part in self._parts:
            folder = self._folder(part) / query.label
            if not (self._is_class(query.label, part) and folder.is_dir()):
                continue
            missing = False
            for name in _visible(folder):
                path = f"{self._address(part)}/{query.label}/{_text(name)}"
                yield Candidate(query.label, None, rank, path, title=_text(name), given_split=part)
                rank += 1
        if rank == 0:
            there = self.labels()
            raise SearchFailed(
                "no_results",
                f"{query.address} is {'missing' if missing else 'empty'}",
                advice=f"put pictures there, or name in classes what {self._data.name} holds: "
                f"{', '.join(there[:_MANY])}{', …' if len(there) > _MANY else ''}"
                if there
                else None,
            )

    def read(self, address: str, *, max_bytes: int) -> Fetched | Refused:
        """Return the bytes of a file below the folder, and of none outside it.

        Args:
            address: Its path, from the name of the folder on.
            max_bytes: The largest file that is read.
        """
        path = self._data.parent / address
        try:
            target = target_within(path, self._data)
            if target is None:
                return Refused("symlink", "it leads out of the folder")
            if target.is_dir():
                return Refused("folder", "only the files directly in a class's folder are taken")
            if not target.is_file():
                return Refused("special", "it is no regular file")
            if target.stat().st_size > max_bytes:
                return Refused("too_large", f"more than {max_bytes} bytes")
            return Fetched(target.read_bytes(), address)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
            return Refused("unreadable", type(error).__name__)

    def _folder(self, part: str | None) -> Path:
        return self._data if part is None else self._data / part

    def _address(self, part: str | None) -> str:
        return self._data.name if part is None else f"{self._data.name}/{part}"

    def _is_class(self, name: str, part: str | None) -> bool:
        return name != _UNLABELLED and (self._folder(part) / name).is_dir()


def _visible(folder: Path) -> list[str]:
    """Return the names in a folder, in the same order on every system: paths sort without regard to case on some."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _some(names: Sequence[str]) -> str:
    return ", ".join(_text(name) for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _text(name: str) -> str:
    """Return a file's name as a text that every table can hold."""
    return name.encode("utf-8", "backslashreplace").decode()
