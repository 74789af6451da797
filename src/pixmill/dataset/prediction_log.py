"""Logs of a model at work: a row for each prediction, and if asked for, the images.

A log is a folder with a folder for each day in UTC, which may be deleted:
``<day>/<time>-<process>.parquet`` holds up to 1,000 rows of one model, whose identity is in the
file's metadata; ``<day>/images/<id>.<extension>`` is an image. Each file is replaced as a whole, so
a killed process leaves no half of one.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.cells import render_cells
from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.files.writing import (
    file_mark,
    hold_lock,
    keep_newest,
    remove_temporary,
    replacing,
    write_bytes,
    write_text,
)
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ms", "UTC")),
        ("id", pa.string()),
        ("predicted", pa.string()),
        ("confidence", pa.float32()),
        ("sure", pa.bool_()),
        ("unlike", pa.bool_()),
        ("probabilities", pa.list_(pa.float32())),
        ("reason", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("bytes", pa.int64()),
        ("brightness", pa.float32()),
        ("sharpness", pa.float32()),
        ("novelty", pa.float32()),
        ("vector", pa.binary()),
        ("shadow", pa.string()),
    ]
)
"""Columns of a log.

``predicted`` and ``shadow``, the answer of a second model, are texts of the column ``predicted`` of
evaluate; the measures are those of :class:`pixmill.models.observation.Observation`.
"""

MAX_BYTES = 1 << 30
"""Default maximum size of a log."""

_ABOUT = b"pixmill"
"""Key of the model's identity in the metadata of a file."""

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_FILES = f"{_DAY}/[0-9][0-9][0-9][0-9][0-9][0-9].*-*.parquet"
_IMAGES = f"{_DAY}/images/{'[0-9a-f]' * 64}.*"
"""What is the log's own; nothing else in its folder is deleted."""

_ROWS = 1000
"""Maximum number of rows of a file, which is written anew for each second with new rows."""

_SECONDS = 1.0

_MAX_WAITING = 64 << 20
"""Bytes that may wait for a slow or full disk."""

_ROW_BYTES = 2000
"""What a row takes in memory, about."""

_RECORD = Path("inbox", "logs.txt")
"""Folders of the logs of a project, one a line."""

_LOG = logging.getLogger("pixmill.serve.log")


def predicted_text(prediction: Prediction) -> str | None:
    """Return an answer as in the column ``predicted`` of evaluate."""
    if prediction.labels is None:
        return prediction.label
    return render_cells({label: True for label, has in prediction.labels.items() if has})


class PredictionLog:
    """Write a log; a thread does so each second, and several processes may write to one folder.

    The oldest files are deleted once the folder is too large. What cannot be written waits in
    memory, and is lost if that takes too long; the caller goes on.

    Args:
        folder: The folder, created if missing.
        share: Share of the images that is logged, from 0 to 1; by a hash, so that an image that
            comes again is treated the same.
        images: Whether images are kept.
        max_bytes: Maximum size of the folder.

    Raises:
        DataError: The folder is a file.
        LockedError: Another process has locked the folder for long.
        OSError: The folder cannot be written.
    """

    def __init__(
        self, folder: Path, *, share: float = 1.0, images: bool = False, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._share = share
        self._images = images
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[tuple[str, str], dict[str, Any], bytes]] = deque()
        self._held = 0
        self._state = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)
        self._key = ("", "")
        self._table = SCHEMA.empty_table()
        self._path = folder
        self._mark: tuple[int, ...] = ()
        self._added = max_bytes
        self._problem = ""
        is_new = not folder.exists()
        with _locked(folder):
            self._stop = threading.Event()
            if is_new:
                write_text(folder / ".gitignore", "*\n")
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        self._stop.set()
        self._thread.join()

    def takes(self, answer: Answer) -> bool:
        """Return whether a prediction belongs to the share that is logged."""
        digits = answer.id or secrets.token_hex(4)
        return int(digits[:8], 16) < self._share * 2**32

    def add(
        self,
        about: Mapping[str, Any],
        answer: Answer,
        content: Callable[[], object] = lambda: None,
        shadow: object = None,
    ) -> None:
        """Log a prediction within a second.

        Args:
            about: Identity of the model, with its ``labels`` and, if there is a second one, its
                identity as ``shadow``; ready for JSON.
            answer: The prediction, with measures.
            content: Returns the image's bytes; called if images are kept. Anything else is no image.
            shadow: The prediction of a second model; anything but an ``Answer`` is none.
        """
        if not self.takes(answer):
            return
        prediction = answer.prediction
        given = prediction.probabilities
        row = {
            "id": answer.id,
            "predicted": predicted_text(prediction),
            "confidence": prediction.confidence,
            "sure": prediction.sure,
            "unlike": prediction.unlike,
            "probabilities": None if given is None else given.tolist(),
            "reason": prediction.reason,
            "shadow": predicted_text(shadow.prediction) if isinstance(shadow, Answer) else None,
            **({} if answer.observed is None else asdict(answer.observed)),
        }
        image = content() if self._images and prediction.reason is None else None
        if not isinstance(image, bytes):
            image = b""
        model = json.dumps(about, sort_keys=True)
        with self._state:
            if self._held > _MAX_WAITING:
                return
            self._held += _ROW_BYTES + len(image)
            # The clock may go back, but the rows stay in order, and names of files differ.
            self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
            row["time"] = self._last
            self._waiting.append(((model, f"{self._last:%Y-%m-%d}"), row, image))

    def _work(self) -> None:
        while not self._stop.wait(_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Write what waits; a full disk stops nobody."""
        problem = ""
        try:
            while self._waiting:
                with _locked(self._folder):
                    self._write()
        except Exception as error:  # noqa: BLE001 (the predictions go on)
            problem = str(error)
        if problem not in ("", self._problem):
            _LOG.error("predictions are not logged at the moment: %s", problem)
        self._problem = problem

    def _write(self) -> None:
        """Add waiting rows of one model and day to the current file, or begin another one."""
        key, first, _ = self._waiting[0]
        is_full = len(self._table) >= _ROWS
        # Somebody may have deleted the file, or rows of forgotten images.
        if is_full or key != self._key or file_mark(self._path) != self._mark:
            self._key = key
            self._table = SCHEMA.empty_table()
            self._path = self._folder / key[1] / f"{first['time']:%H%M%S.%f}-{os.getpid()}.parquet"
            self._mark = ()
        room = min(_ROWS - len(self._table), len(self._waiting))
        waiting = (self._waiting[place] for place in range(room))
        batch = list(takewhile(lambda each: each[0] == key, waiting))
        for _, row, image in batch:
            # The file may have changed since it was predicted.
            if hashlib.sha256(image).hexdigest() == row["id"]:
                name = row["id"] + EXTENSIONS[sniff(image)]
                write_bytes(self._path.parent / "images" / name, image)
                self._added += len(image)
        rows = pa.Table.from_pylist([row for _, row, _ in batch], SCHEMA)
        table = pa.concat_tables([self._table, rows])
        _save(table.replace_schema_metadata({_ABOUT: key[0].encode()}), self._path)
        self._table = table
        self._mark = file_mark(self._path)
        with self._state:
            for _, _, image in batch:
                self._waiting.popleft()
                self._held -= _ROW_BYTES + len(image)
        self._added += sum(self._mark[-1:])
        if self._added > self._max_bytes / 20:  # Listing the files takes a while.
            self._added = 0
            files = [*_files(self._folder), *self._folder.glob(_IMAGES)]
            keep_newest(files, self._max_bytes * 19 // 20)


def _locked(folder: Path) -> AbstractContextManager[None]:
    """Lock a log, created if missing, against other writers."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is not a folder", next="name another for the log: --log DIR")
    folder.mkdir(parents=True, exist_ok=True)
    refusal = LockedError(f"other processes have locked {folder}", next="the same command again")
    return hold_lock(folder / ".lock", refusal, timeout=10)


def _save(table: pa.Table, path: Path) -> None:
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(_FILES))


def read_log(folder: Path) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Yield the model's identity and the rows of each file, in order of their first rows.

    Args:
        folder: Folder of the log.

    Raises:
        DataError: There is no log, or a file is malformed.
    """
    files = _files(folder)
    if not files:
        raise DataError(
            f"{folder} has no predictions",
            next=f"pixmill serve --log {folder}, or: pixmill predict IMAGES --log {folder}",
        )
    for path in files:
        # Another process may just have deleted it.
        with contextlib.suppress(FileNotFoundError):
            table = _read(path)
            yield json.loads(table.schema.metadata[_ABOUT]), table.select(SCHEMA.names).cast(SCHEMA)


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        # Arrow's own errors have no number.
        if getattr(error, "errno", None):
            raise
        raise DataError(
            f"{path} is not an intact log of predictions", next="delete it, then: the same command"
        ) from error


def find_images(folder: Path) -> dict[str, Path]:
    """Return the files of the images that a log has kept, by id."""
    return {path.stem: path for path in sorted(folder.glob(_IMAGES))}


def hold_watched(folder: Path) -> AbstractContextManager[None]:
    """Lock what ``pixmill watch`` keeps beside a log, against another look and against forgetting.

    Raises:
        DataError: There is no log.
        LockedError: Another process has locked it for long.
    """
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {problem}", next="name the folder of pixmill serve --log")
    refusal = LockedError(f"another process looks at {folder}", next="the same command again")
    return hold_lock(folder / ".watched.lock", refusal, timeout=60)


def record_log(root: Path, folder: Path) -> None:
    """Note that a project has a log, so that ``pixmill forget`` finds it."""
    known = recorded_logs(root)
    if folder.resolve() not in known:
        lines = [f"{path}\n" for path in [*known, folder.resolve()]]
        write_text(root / _RECORD, "".join(lines))


def recorded_logs(root: Path) -> list[Path]:
    """Return the folders of the logs of a project."""
    path = root / _RECORD
    return [*map(Path, path.read_text(encoding="utf-8").splitlines())] if path.exists() else []


def forget_logged(folder: Path, ids: Collection[str]) -> list[str]:
    """Delete rows and images from a log and from what ``pixmill watch`` keeps beside it.

    Args:
        folder: Folder of the log.
        ids: The images.

    Returns:
        What could not be reached, a text for each.
    """
    if not folder.is_dir():
        return [f"{folder} does not exist"]
    missed = []
    try:
        with _locked(folder):
            for path in [*folder.glob("[!.]*.parquet"), *_files(folder)]:
                try:
                    _drop_rows(path, ids)
                except DataError as error:
                    missed.append(error.message)
            for day in folder.glob(_DAY):
                remove_temporary(day)
            for path in folder.glob(_IMAGES):
                if path.stem in ids:
                    path.unlink()
    except (PixmillError, OSError) as error:
        missed.append(f"{folder}: {getattr(error, 'message', error)}")
    return missed


def _drop_rows(path: Path, ids: Collection[str]) -> None:
    table = _read(path)
    if "id" in table.column_names:
        is_kept = [name not in ids for name in table["id"].to_pylist()]
        if not all(is_kept):
            _save(table.filter(pa.array(is_kept)), path)
