"""Logs of a model at work: a row for each prediction, and if asked for, the images.

A log is a folder with a folder for each day in UTC, which may be deleted:
``<day>/<time>-<process>.parquet`` holds up to 1,000 rows of one model, whose identity is in the
file's metadata; ``<day>/images/<id>.<extension>`` is an image. Each file is replaced as a whole, so
a killed process leaves no half of one. Others may write there, too, and a few kilobytes of Parquet
may stand for gigabytes, so a process with limits reads it.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.files.writing import (
    hold_lock,
    place_within,
    remove_temporary,
    replacing,
)
from pixmill.images.compute import Loss, RowLimits, map_batches

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

ABOUT = b"pixmill"
"""Key of the model's identity in the metadata of a file."""

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_FILES = f"{_DAY}/[0-9][0-9][0-9][0-9][0-9][0-9].*-*.parquet"
IMAGES = f"{_DAY}/images/{'[0-9a-f]' * 64}.*"
"""What is the log's own; nothing else in its folder is deleted."""

_RECORD = Path("inbox", "logs.txt")
"""Folders of the logs of a project, one a line."""

_MAX_BYTES = 1 << 27
"""Size of the rows of a file in memory; a thousand answers on 2,000 labels take half of it."""

_LIMITS = RowLimits(seconds=30, memory=16 * _MAX_BYTES)
"""Arrow's allocator reserves a gigabyte at once."""

_Result = TypeVar("_Result")


def hold_log(folder: Path) -> AbstractContextManager[None]:
    """Lock a log, created if missing, against other writers."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is not a folder", next="name another for the log: --log DIR")
    folder.mkdir(parents=True, exist_ok=True)
    refusal = LockedError(f"other processes have locked {folder}", next="the same command again")
    return hold_lock(folder / ".lock", refusal, timeout=10)


def save_rows(table: pa.Table, path: Path) -> None:
    """Write rows, with the metadata of their schema, atomically."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def row_files(folder: Path) -> list[Path]:
    """Return the files with the rows of a log, in order of their first rows."""
    return _files_in(folder, _FILES)


def _files_in(folder: Path, pattern: str) -> list[Path]:
    """Return files, also by links, but for those that lead nowhere."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def read_each(
    read: Callable[[Path], _Result],
    paths: Sequence[Path],
    lost: Callable[[Path, Loss], _Result],
) -> Iterator[_Result]:
    """Yield what a function returns for each file of a log, called in a process with limits.

    Args:
        read: The function; it must be picklable.
        paths: The files.
        lost: Called with a file that exceeds the limits, or crashes its reader.
    """
    return map_batches(
        partial(_call, read),
        paths,
        batch_size=1,
        workers=1,
        limits=_LIMITS,
        lost=lost,
        local=True,
    )


def _call(read: Callable[[Path], _Result], paths: Sequence[Path]) -> list[_Result]:
    return [read(path) for path in paths]


def refuse_file(path: Path, loss: Loss | None = None) -> NoReturn:  # noqa: ARG001 (any is alike)
    """Raise that a file is damaged, or too large in memory."""
    raise DataError(
        f"{path} is not an intact log of predictions", next="delete it, then: the same command"
    )


def read_log(folder: Path) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Yield the model's identity and the rows of each file, in order of their first rows.

    Args:
        folder: Folder of the log.

    Raises:
        DataError: There is no log, or a file is malformed.
    """
    files = row_files(folder)
    if not files:
        raise DataError(
            f"{folder} has no predictions",
            next=f"pixmill serve --log {folder}, or: pixmill predict IMAGES --log {folder}",
        )
    yield from filter(None, read_each(_read_if_any, files, refuse_file))


def _read_if_any(path: Path) -> tuple[dict[str, Any], pa.Table] | None:
    """Return the content of a file, unless another process has just deleted it."""
    with contextlib.suppress(FileNotFoundError):
        return read_rows(path)
    return None


def read_rows(path: Path) -> tuple[dict[str, Any], pa.Table]:
    """Return the model's identity and the rows of a file.

    Raises:
        DataError: It is malformed.
    """
    with _damages_named(path):
        table = _read_table(path)
        about = json.loads((table.schema.metadata or {})[ABOUT])
        rows = table.select(SCHEMA.names).cast(SCHEMA)
        vectors = rows["probabilities"]
        values = [rows["confidence"], pc.list_flatten(vectors)]
        checks = [pc.is_finite(each) for each in values]
        checks.append(pc.match_substring_regex(rows["id"], "^[0-9a-f]{64}$"))
        lengths = [pc.list_value_length(vectors), pc.binary_length(rows["vector"])]
        if (
            not isinstance(about, dict)
            or rows.nbytes > _MAX_BYTES
            or rows["time"].null_count
            or values[1].null_count
            or any(pc.all(each).as_py() is False for each in checks)
            or any(pc.count_distinct(each).as_py() > 1 for each in lengths)
        ):
            raise ValueError("wrong values")
    return about, rows


def _read_table(path: Path) -> pa.Table:
    with _damages_named(path), pq.ParquetFile(path) as file:
        return file.read()


@contextlib.contextmanager
def _damages_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, RecursionError, TypeError, ValueError) as error:
        # Arrow's own errors have no number.
        if getattr(error, "errno", None):
            raise
        refuse_file(path)


def find_images(folder: Path) -> dict[str, Path]:
    """Return the files of the images that a log has kept, by id."""
    return {path.stem: path for path in _files_in(folder, IMAGES)}


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
    path = place_within(root / _RECORD, root)
    if folder.resolve() not in recorded_logs(root):
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            # An editor may have removed the end of the last line.
            file.write(f"\n{folder.resolve()}\n")


def recorded_logs(root: Path) -> list[Path]:
    """Return the folders of the logs of a project."""
    path = root / _RECORD
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Path(line) for line in lines if line]


def forget_logged(folder: Path, ids: Collection[str]) -> list[str]:
    """Delete rows and images from a log and from what ``pixmill watch`` keeps beside it.

    Args:
        folder: Folder of the log.
        ids: The images.

    Returns:
        What could not be reached, a text for each.
    """
    if not folder.is_dir():
        return [f"{folder} does not exist (if you deleted it: remove its line from {_RECORD})"]
    missed: list[str] = []
    try:
        with hold_watched(folder), hold_log(folder):
            files = [*_files_in(folder, "[!.]*.parquet"), *row_files(folder)]
            texts = read_each(
                partial(_drop_rows, ids=ids),
                files,
                lambda path, _: f"{path} is too large to be read",
            )
            missed += filter(None, texts)
            remove_temporary(folder)
            for path in folder.glob(IMAGES):
                if path.stem in ids:
                    path.unlink()
    except (PixmillError, OSError) as error:
        missed.append(f"{folder}: {getattr(error, 'message', error)}")
    return missed


def _drop_rows(path: Path, ids: Collection[str]) -> str | None:
    """Drop rows from a file; return why if it cannot be read."""
    try:
        table = _read_table(path)
    except DataError as error:
        return error.message
    if "id" in table.column_names:
        is_kept = [name not in ids for name in table["id"].to_pylist()]
        if not all(is_kept):
            save_rows(table.filter(pa.array(is_kept)), path)
    return None
