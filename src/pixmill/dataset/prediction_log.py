"""Logs of a model at work: a row for each prediction, and if asked for, the images.

A log is a folder with a folder for each day in UTC, which may be deleted:
``<day>/<time>-<process>.parquet`` holds up to 1,000 rows of one model, whose identity is in the
file's metadata; ``<day>/images/<id>.<extension>`` is an image. Each file is replaced as a whole, so
a killed process leaves no half of one.
"""

import contextlib
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.cells import render_cells
from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_mark, keep_newest, replacing, write_bytes, write_text
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

_ROWS = 1000
"""Maximum number of rows of a file, which is written anew for each second with new rows."""

_SECONDS = 1.0

_RECORD = Path("inbox", "logs.txt")
"""Folders of the logs of a project, one a line."""

_LOG = logging.getLogger("pixmill.log")


def predicted_text(prediction: Prediction) -> str | None:
    """Return an answer as in the column ``predicted`` of evaluate."""
    if prediction.labels is None:
        return prediction.label
    return render_cells({label: True for label, has in prediction.labels.items() if has})


class PredictionLog:
    """Write a log; a thread does so each second, and several processes may write to one folder.

    The oldest files are deleted once the folder is too large.

    Args:
        folder: The folder, created if missing.
        share: Share of the images that is logged, from 0 to 1; by a hash, so that an image that
            comes again is treated the same.
        images: Whether images are kept.
        max_bytes: Maximum size of the folder.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(
        self, folder: Path, *, share: float = 1.0, images: bool = False, max_bytes: int = MAX_BYTES
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._share = share
        self._images = images
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[str, dict[str, Any], bytes | None]] = deque()
        self._rows: list[dict[str, Any]] = []
        self._key = ("", "")
        self._path = folder
        self._mark: tuple[int, ...] = ()
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def add(
        self,
        about: Mapping[str, Any],
        answer: Answer,
        content: Callable[[], bytes | None] = lambda: None,
        shadow: Answer | None = None,
    ) -> None:
        """Log a prediction within a second.

        Args:
            about: Identity of the model, with its ``labels`` and, if there is a second one, its
                identity as ``shadow``; ready for JSON.
            answer: The prediction, with measures.
            content: Returns the image; called if images are kept.
            shadow: The prediction of a second model.
        """
        if answer.id is not None and int(answer.id[:8], 16) >= self._share * 2**32:
            return
        prediction = answer.prediction
        given = prediction.probabilities
        row = {
            "time": datetime.now(UTC),
            "id": answer.id,
            "predicted": predicted_text(prediction),
            "confidence": prediction.confidence,
            "sure": prediction.sure,
            "unlike": prediction.unlike,
            "probabilities": None if given is None else given.tolist(),
            "reason": prediction.reason,
            "shadow": None if shadow is None else predicted_text(shadow.prediction),
            **({} if answer.observed is None else asdict(answer.observed)),
        }
        image = content() if self._images and prediction.reason is None else None
        self._waiting.append((json.dumps(about, sort_keys=True), row, image))

    def _work(self) -> None:
        while not self._stop.wait(_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Write what waits; a full disk loses rows, but stops nobody."""
        try:
            while self._waiting:
                self._write(self._next_rows())
            self._problem = ""
        except OSError as error:
            if str(error) != self._problem:
                _LOG.error("the log misses predictions: %s", error)
            self._problem = str(error)

    def _next_rows(self) -> tuple[str, str]:
        """Add waiting rows of one model and day to the current file, or begin another one.

        Returns:
            The model and the day.
        """
        about, day = self._waiting[0][0], f"{self._waiting[0][1]['time']:%Y-%m-%d}"
        # Somebody may have deleted the file, or rows of forgotten images.
        is_changed = file_mark(self._path) != self._mark
        if (about, day) != self._key or len(self._rows) >= _ROWS or is_changed:
            self._key = (about, day)
            self._rows = []
            now = datetime.now(UTC)
            self._path = self._folder / day / f"{now:%H%M%S.%f}-{os.getpid()}.parquet"
        while self._waiting and len(self._rows) < _ROWS:
            model, row, image = self._waiting[0]
            if (model, f"{row['time']:%Y-%m-%d}") != self._key:
                break
            self._waiting.popleft()
            self._rows.append(row)
            if image is not None:
                name = f"{row['id']}{EXTENSIONS[sniff(image)]}"
                write_bytes(self._folder / day / "images" / name, image)
        return self._key

    def _write(self, key: tuple[str, str]) -> None:
        table = pa.Table.from_pylist(self._rows, SCHEMA)
        with replacing(self._path) as temporary:
            pq.write_table(
                table.replace_schema_metadata({_ABOUT: key[0].encode()}),
                temporary,
                compression="zstd",
            )
        self._mark = file_mark(self._path)
        keep_newest(self._folder.glob("*/**/[!.]*.*"), self._max_bytes)


def read_log(folder: Path) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Yield the model's identity and the rows of each file, in order of time.

    Args:
        folder: Folder of the log.

    Raises:
        DataError: There is no log, or a file is malformed.
    """
    files = sorted(folder.glob("*/[!.]*.parquet"))
    if not files:
        raise DataError(
            f"{folder} has no predictions",
            next=f"pixmill serve --log {folder}, or: pixmill predict IMAGES --log {folder}",
        )
    for path in files:
        # Another process may just have deleted it.
        with contextlib.suppress(FileNotFoundError):
            yield _read(path)


def _read(path: Path) -> tuple[dict[str, Any], pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read().select(SCHEMA.names).cast(SCHEMA)
            return json.loads(file.schema_arrow.metadata[_ABOUT]), table
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not an intact log of predictions", next="delete it, then: the same command"
        ) from error


def find_images(folder: Path) -> dict[str, Path]:
    """Return the files of the images that a log has kept, by id."""
    return {path.stem: path for path in sorted(folder.glob("*/images/[!.]*"))}


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


def forget_logged(folder: Path, ids: Collection[str]) -> int:
    """Delete rows and images from a log, and return how many rows there were.

    Args:
        folder: Folder of the log.
        ids: The images.

    Raises:
        DataError: As for :func:`read_log`.
        OSError: The log cannot be changed.
    """
    found = 0
    for path in folder.glob("*/[!.]*.parquet"):
        about, table = _read(path)
        kept = table.filter(pa.array([name not in ids for name in table["id"].to_pylist()]))
        if len(kept) < len(table):
            found += len(table) - len(kept)
            with replacing(path) as temporary:
                content = kept.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
                pq.write_table(content, temporary, compression="zstd")
    for path in folder.glob("*/images/*"):
        if path.stem in ids:
            path.unlink(missing_ok=True)
    return found
