"""The journal of a run: the rows that are finished, so that a killed run goes on where it was."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import filelock

from pixmill.core.errors import LockedError
from pixmill.predict.inputs import Input
from pixmill.predict.model import Model

_FORMAT = 1
"""Goes up when an old row would mislead this code."""


class PredictionJournal:
    """A file of JSON lines beside the first output, in the order of the inputs; a context manager.

    The first line tells the model; the others hold an input's name and state, and its row. Those of an earlier run are
    taken one by one, as long as they agree with the inputs; from the first difference on, they are dropped.

    Args:
        output: The first output; the journal is ``<output>.partial``.
        model: The model: rows of another one are dropped.

    Raises:
        LockedError: Another process writes the same output.
    """

    def __init__(self, output: Path, model: Model) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self._head = {"format": _FORMAT, "model": model.digest, "labels": list(model.labels)}
        self._lock = filelock.FileLock(self.path.with_name(f"{self.path.name}.lock"), blocking=False)
        self._reusing = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The journal and its lock."""
        return self.path, Path(self._lock.lock_file)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise LockedError(
                f"another process writes {self.path.name.removesuffix('.partial')}", next="wait for it or stop it"
            ) from None
        self.path.touch()
        self._file = self.path.open("r+b")
        if self._read() != self._head:
            self._restart(0)
            self._write(self._head)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self.path.unlink()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def reuse(self, each: Input) -> bool:
        """Tell whether the next row of an earlier run is that of this input; if not, all rows from it on are dropped.

        Args:
            each: The next input.
        """
        if not self._reusing:
            return False
        start = self._file.tell()
        match self._read():
            case {"name": name, "state": state, "row": dict()} if name == each.name and state == list(each.state):
                return True
        self._restart(start)
        return False

    def add(self, each: Input, row: dict[str, Any]) -> None:
        """Append a row; once it is written, a kill cannot lose it.

        Args:
            each: Its input.
            row: The row.
        """
        self._write({"name": each.name, "state": each.state, "row": row})

    def end(self) -> None:
        """Drop the rows of an earlier run that no input took."""
        if self._reusing:
            self._restart(self._file.tell())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows, as a stream."""
        with self.path.open("rb") as lines:
            next(lines)
            for line in lines:
                yield json.loads(line)["row"]

    def _read(self) -> Any:
        """Return the next line, or ``None`` if there is none that is whole."""
        line = self._file.readline()
        if not line.endswith(b"\n"):
            return None
        try:
            return json.loads(line)
        except ValueError:
            return None

    def _restart(self, place: int) -> None:
        self._reusing = False
        self._file.seek(place)
        self._file.truncate()

    def _write(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
