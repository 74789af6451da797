"""The journal of what was done in the grid: each action is on disk before its files change.

``.pixmill/review/actions.jsonl`` has a line for each action, and an empty object once its files
have changed. Whoever holds the lock next completes an action without one: the process that began it
was killed, or the disk was full.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pydantic import InstanceOf, TypeAdapter

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import file_digest, place_within
from pixmill.core.metadata import Cells
from pixmill.core.names import to_nfc, to_text
from pixmill.dataset.decision_log import Accepted, Line

_MAX_BYTES = 64 * 2**20
"""Size of the journal from which it is deleted when nobody uses it: some 100,000 images."""

_UNPORTABLE = re.compile(r'[:\\*"?\[\]]')
"""Characters of file names that the log of decisions, shells or Windows refuse."""

RECENT_SECONDS = 600.0
"""Time after an action in which other windows show it."""


class ChangedError(PixmillError):
    """Images were changed since the page showed them; nothing was written."""


class Other(NamedTuple):
    """Another person who labels here, or the same one in other windows.

    Args:
        by: Name.
        seconds: Time since the last action.
        images: Number of images labelled or dropped in the last ten minutes.
    """

    by: str
    seconds: float
    images: int


class Item(NamedTuple):
    """What an action does with an image.

    Args:
        id: Its id.
        md5: MD5 of its bytes; empty if it stays where it is.
        source: Its file, relative to the project folder.
        target: Its new file, or the same one.
        before: Its label; ``None`` without one, empty if it was dropped.
        after: Its new label.
    """

    id: str
    md5: str
    source: InstanceOf[str]  # not always valid Unicode
    target: InstanceOf[str]
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Action:
    """An action in the grid.

    Args:
        items: Its images.
        cells: Old and new rows of ``metadata.csv`` by file relative to ``data/``.
        lines: Old and new lines of ``review.csv`` by id.
        key: Identifies it.
        by: Name of the person.
        window: Identifies the window.
        time: Seconds since 1970.
        undoes: Key of the action that it undoes; empty if it is none.
    """

    items: Sequence[Item]
    cells: Mapping[str, tuple[Cells | None, Cells | None]] = field(default_factory=dict)
    lines: Mapping[str, tuple[Line | None, Line | None]] = field(default_factory=dict)
    key: str = ""
    by: str = ""
    window: str = ""
    time: float = 0.0
    undoes: str = ""

    def moved(self, root: Path) -> list[Item]:
        """Return the images whose files move; all are in ``data/``, and the log of decisions takes them.

        Args:
            root: Project folder.

        Raises:
            ChangedError: Another file has the new name.
            DataError: A file is not in ``data/``, or only through a link.
            ValueError: An id, a digest or a name is malformed.
        """
        moved = [item for item in self.items if item.source != item.target]
        for item in moved:
            for file in (item.source, item.target):
                place_within(root / file, root / "data")
            target = root / item.target  # is there already if the action was interrupted
            if target.is_file() and file_digest(target) != item.id:
                raise ChangedError(
                    f"another file has the name {item.target}", next="move it away, then try again"
                )
            labelled = item.source if self.undoes else item.target
            Accepted(image=item.id, branch="", file=labelled, md5=item.md5, corrections=0)
        return moved


_PARSER = TypeAdapter(Action)


def reverse(action: Action) -> Action:
    """Return the action that undoes another one."""
    return Action(
        [
            Item(name, md5, target, source, after, before)
            for name, md5, source, target, before, after in action.items
        ],
        {name: (after, before) for name, (before, after) in action.cells.items()},
        {name: (after, before) for name, (before, after) in action.lines.items()},
        undoes=action.key,
    )


class Journal:
    """The journal; call its methods while holding its lock.

    Args:
        path: The file.
        root: Project folder.

    Attributes:
        begun: The action that has no end, which is the last one; complete it before you add
            another.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._read = 0
        self.begun: Action | None = None

    @property
    def is_current(self) -> bool:
        """Whether everything in the file has been read; needs no lock."""
        return self._size() == self._read

    def tidy(self, now: float) -> None:
        """Delete a large file, unless it was used lately."""
        if self._size() > _MAX_BYTES and now - self._path.stat().st_mtime > RECENT_SECONDS:
            self._path.unlink()

    def read(self) -> list[Action]:
        """Return the actions of others since the last call that are done.

        A line that was written in part is cut off: its action has not begun.

        Raises:
            DataError: A line is malformed, or of another version; the last action moves files out
                of ``data/`` or into it; or the journal is a link.
        """
        if self._path.is_symlink():  # of a branch; other lines would be cut off and added there
            raise self._refusal()
        if self._size() < self._read:  # deleted
            self._read = 0
        if self.is_current:
            return []
        with self._path.open("rb+") as file:
            file.seek(self._read)
            whole, _, part = file.read().rpartition(b"\n")
            if part:
                file.truncate(self._size() - len(part))
        self._read = self._size()
        done: list[Action] = []
        try:
            for line in whole.splitlines():
                if content := json.loads(line):
                    self.begun = _PARSER.validate_python(content)
                elif self.begun:
                    done.append(self.begun)
                    self.begun = None
            if self.begun:
                self.begun.moved(self._root)  # a branch may contain the journal
        except (ValueError, RecursionError, ChangedError, DataError) as error:
            self._read = 0
            self.begun = None
            raise (error if isinstance(error, ChangedError) else self._refusal()) from None
        return done

    def _refusal(self) -> DataError:
        advice = f"delete it; the labels are in data/ and review.csv already: {self._path}"
        return DataError("the journal of labels is malformed", next=advice)

    def add(self, action: Action) -> None:
        """Add an action durably."""
        self._append(vars(action))
        self.begun = action

    def finish(self) -> None:
        """Note that the files of the last action have changed."""
        self._append({})
        self.begun = None

    def _append(self, content: Mapping[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(content).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._read = self._size()

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0


def free_name(root: Path, source: str, folder: str, name: str, taken: set[str]) -> str:
    """Return the file to which an image moves, and add it to those that are taken.

    Args:
        root: Project folder.
        source: Its file, relative to the project folder.
        folder: Its new folder, relative to the project folder.
        name: Id of the image, whose first digits distinguish files of equal names.
        taken: Files to which others move.
    """
    file = PurePosixPath(_UNPORTABLE.sub("-", to_nfc(PurePosixPath(to_text(source)).name)))
    for ending in ("", f"-{name[:8]}", f"-{name}"):
        target = f"{folder}/{file.stem}{ending}{file.suffix}"
        place = root / target  # may be a link without its content, of git-annex
        if target == source or not (target in taken or place.exists() or place.is_symlink()):
            break
    taken.add(target)
    return target


def part_of(place: int | None) -> str:
    """Return the split of an image at a place of the random sample; suggested labels never measure the model."""
    return "train" if place is None else "val" if place % 3 == 1 else "test"
