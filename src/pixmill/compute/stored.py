"""Objects in the DVC remote: how workers that do not see this machine's folders read files."""

import functools
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from typing import Any

from pixmill.core.errors import PixmillError, StorageError

_PATIENCE = 60.0
"""Seconds for which a remote that fails is asked again, beside the retries of its own client."""

_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the first attempts; the last is that of all others."""

_READERS = 8
"""Files that are fetched at a time, for each processor of a node."""

_MOST = (1 << 30) + 1
"""Bytes that are fetched of a file: one more than an image may have (:func:`pixmill.images.read_image`)."""

_EMPTY = "/d4/1d8cd98f00b204e9800998ecf8427e"
"""How the object of an empty file ends; S3 refuses to return a range of it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in a DVC remote, for a worker that does not see this machine's folder.

    Args:
        storage: The remote's file system, from fsspec, pickled with its settings: only those who read open it.
        path: The object, such as ``bucket/files/md5/0f/3a…``.
        name: The file, for messages.
    """

    storage: bytes
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A pickled row whose file is fetched before a guarded process gets it.

    Args:
        row: The row.
        file: The file.
    """

    row: bytes
    file: Stored


def read_stored(place: Stored, start: int = 0, end: int | None = None) -> bytes:
    """Return some bytes of an object; fewer where it ends before.

    A remote that fails, as with S3's 503, is asked again for a minute.

    Args:
        place: The object.
        start: Index of the first byte.
        end: Index after the last; default: all that follow.

    Raises:
        PixmillError: A package that reads the remote is not installed.
        StorageError: The remote lacks the object, refuses it, or fails for too long.
    """
    if start == end or place.path.endswith(_EMPTY):
        return b""
    storage, latest = _open(place.storage), time.monotonic() + _PATIENCE
    for wait in chain(_WAITS, repeat(_WAITS[-1])):
        try:
            content: bytes = storage.cat_file(place.path, start=start or None, end=end)
            return content
        except FileNotFoundError:
            raise StorageError(
                f"DVC's remote lacks {place.name} ({place.path})",
                next="dvc push, then run the same command again (finished work is kept)",
            ) from None
        except Exception as error:
            refused = isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError"  # of botocore
            if refused or time.monotonic() > latest:
                raise StorageError(
                    f"DVC's remote does not return {place.name} ({place.path}): {_first_line(error)}",
                    next="check the remote (dvc remote list), then run the same command again (finished work is kept)",
                ) from error
        time.sleep(wait)
    raise AssertionError


def fill(row: Any) -> Any:
    """Return a row with the bytes of the file that it names in a remote; any other row as it is.

    Args:
        row: A :class:`Stored`, which becomes ``bytes``, or a dataclass whose field ``file`` is one, and does.

    Raises:
        PixmillError: As of :func:`read_stored`.
    """
    file = _file_of(row)
    return row if file is None else _with(row, read_stored(file, 0, _MOST))


def seal(row: Any) -> bytes | PendingRow:
    """Return a row pickled, with the file that a node must fetch for it, if any, beside it.

    Args:
        row: As for :func:`fill`.
    """
    content, file = pickle.dumps(row, pickle.HIGHEST_PROTOCOL), _file_of(row)
    return content if file is None else PendingRow(content, file)


def fetch_files(rows: Sequence[bytes | PendingRow]) -> Iterator[bytes]:
    """Yield rows pickled with the bytes of their files, several of which are read at a time.

    For guarded passes: neither the time nor the memory that a remote takes counts against an image's limits, and a
    process that decodes has no access to the remote.

    Args:
        rows: From :func:`seal`.

    Raises:
        PixmillError: As of :func:`read_stored`.
    """
    if not any(isinstance(row, PendingRow) for row in rows):
        yield from map(_fetch, rows)
        return
    coming = iter(rows)
    with ThreadPoolExecutor(_READERS) as readers:
        # Not more than these: files may be large.
        ahead = deque(readers.submit(_fetch, row) for row in islice(coming, 2 * _READERS))
        try:
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(readers.submit(_fetch, row) for row in islice(coming, 1))
        finally:
            # Where one failed for a minute, the others are not begun for another.
            readers.shutdown(wait=False, cancel_futures=True)


def _fetch(row: bytes | PendingRow) -> bytes:
    if isinstance(row, bytes):
        return row
    return pickle.dumps(_Filled(row.row, read_stored(row.file, 0, _MOST)), pickle.HIGHEST_PROTOCOL)


class _Filled:
    """Become a row with the bytes of its file where it is unpickled, and the row with it."""

    def __init__(self, row: bytes, content: bytes) -> None:
        self._parts = row, content

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, bytes]]:
        return _unpickle, self._parts


def _unpickle(row: bytes, content: bytes) -> Any:
    return _with(pickle.loads(row), content)  # noqa: S301 (from the machine that this node works for)


def _with(row: Any, content: bytes) -> Any:
    return content if isinstance(row, Stored) else replace(row, file=content)


def _file_of(row: Any) -> Stored | None:
    file = row if isinstance(row, Stored) else getattr(row, "file", None)
    return file if isinstance(file, Stored) else None


@functools.cache
def _open(storage: bytes) -> Any:
    try:
        return pickle.loads(storage)  # noqa: S301 (from the machine that this node works for)
    except ModuleNotFoundError as error:
        raise PixmillError(
            f"DVC's remote is read with the package {error.name}, which a node lacks",
            next="on every node: pip install dvc-s3, or what reads another storage (dvc-gs, dvc-azure, …)",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
