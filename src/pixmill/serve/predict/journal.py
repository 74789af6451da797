"""Rows of predictions on disk, from which a stopped pass over many images goes on."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pixmill.core.files.writing import keep_newest

_MAX_BYTES = 256 << 20
"""Maximum size of a folder of journals; the oldest go first, the one in use stays."""

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
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
        self._path = folder / f"{name}.jsonl"
        # Unbuffered, so that a row is one write, which appends as a whole.
        self._writer = self._path.open("ab", buffering=0)
        self._reader = self._path.open("rb")
        self._places: dict[str, tuple[Mark, int]] = {}
        self._read_places()
        os.utime(self._path)
        keep_newest(folder.glob("*.jsonl"), _MAX_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def has(self, name: str, mark: Mark) -> bool:
        """Return whether there is a row of an image with this mark."""
        return name in self._places and self._places[name][0] == mark

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the last row of an image; ``None`` if there is none."""
        return self._row(self._places[name][1]) if name in self._places else None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the last row of each image, in the order in which the images were first added."""
        for _, place in self._places.values():
            yield self._row(place)

    def add(self, row: Mapping[str, Any], mark: Mark) -> None:
        """Keep a row; its ``path`` is the image's name.

        Args:
            row: A row ready for JSON.
            mark: Mark of the image.

        Raises:
            OSError: The disk is full.
        """
        line = f"{json.dumps([mark, row])}\n".encode()
        if self._writer.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._places[row["path"]] = (mark, self._writer.tell() - len(line))

    def discard(self) -> None:
        """Delete the rows, which are needed no more."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the rows stay."""
        self._writer.close()
        self._reader.close()

    def _read_places(self) -> None:
        place = 0
        line = b"\n"
        for line in self._reader:
            try:
                mark, row = json.loads(line)
                self._places[row["path"]] = (tuple(mark), place)
            except ValueError:
                pass  # The process was killed, or the power failed, while it wrote this line.
            place += len(line)
        if not line.endswith(b"\n"):
            self._writer.write(b"\n")

    def _row(self, place: int) -> dict[str, Any]:
        self._reader.seek(place)
        row: dict[str, Any] = json.loads(self._reader.readline())[1]
        return row
