"""Rows of predictions on disk, from which a stopped pass over many images goes on."""

import contextlib
import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import keep_newest, place_within

_MAX_BYTES = 256 << 20
"""Maximum size of a folder of journals; the oldest go first, the newest stays."""

Mark = tuple[int, ...]
"""What changes with an image's content, such as its size and time of change."""


class Journal:
    """Rows of one pass, one JSON line each; a killed process loses no row that was added.

    Two processes may use the same journal: each sees the rows from before it and its own. Within a
    process, one thread at a time.

    Args:
        folder: Folder of journals, created if missing.
        key: What must be equal for the rows to hold, such as the model's digest and the inputs.
    """

    def __init__(self, folder: Path, key: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        self._path = place_within(folder / f"{name}.jsonl", folder)
        # Unbuffered, so that a row is one write, which appends as a whole.
        self._writer = self._path.open("ab", buffering=0)
        self._reader = self._path.open("rb")
        self._places: dict[str, tuple[Mark, int]] = {}
        place = 0
        for line in self._reader:
            # Of a killed process or a full disk, a line may be torn.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                mark, row = json.loads(line)
                self._places[row["path"]] = (tuple(mark), place)
            place += len(line)

    def __len__(self) -> int:
        return len(self._places)

    def has(self, name: str, mark: Mark | None = None) -> bool:
        """Return whether there is a row of an image, with this mark if it is given."""
        return name in self._places and mark in (None, self._places[name][0])

    def get(self, name: str) -> dict[str, Any]:
        """Return the last row of an image.

        Raises:
            KeyError: There is none.
        """
        self._reader.seek(self._places[name][1])
        row: dict[str, Any] = json.loads(self._reader.readline())[1]
        return row

    @property
    def names(self) -> list[str]:
        """Names of the images that have rows, in the order in which they were first added."""
        return [*self._places]

    def add(self, row: Mapping[str, Any], mark: Mark) -> None:
        """Keep a row; its ``path`` is the image's name.

        Args:
            row: A row ready for JSON.
            mark: Mark of the image.

        Raises:
            OSError: The disk is full.
        """
        # The line feed is first, so that it ends a torn line.
        line = f"\n{json.dumps([mark, row])}".encode()
        if self._writer.write(line) < len(line):
            raise OSError(errno.ENOSPC, None, str(self._path))
        # Another process may have added rows before this one.
        self._places[row["path"]] = (mark, self._writer.tell() - len(line) + 1)

    def discard(self) -> None:
        """Delete the rows, which are needed no more."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the rows stay."""
        self._writer.close()
        self._reader.close()
        keep_newest(self._path.parent.glob("*.jsonl"), _MAX_BYTES)
