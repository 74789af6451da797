"""Files that are either complete or absent, and messages for disk errors."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pixmill.core.errors import LockedError, ManifestError, StorageError

_TEMPORARY = ".part-"
"""Marks names of files that are still being written; such names never reach DVC or a later run."""

_CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""Where DVC keeps a file that it links to from the workspace (``cache.type symlink``)."""

_REFUSALS = {
    errno.ENOSPC: ("the disk is full", "free some space there"),
    errno.EDQUOT: ("the disk quota is exceeded", "free some space there"),
    errno.EFBIG: ("it would exceed the file size limit", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EACCES: ("permission denied", "check its owner (ls -ld)"),
    errno.EPERM: ("permission denied", "check its owner (ls -ld)"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
}
"""Errors of a disk, not of the program: the message, and what to do."""


@contextlib.contextmanager
def storage_errors(*, then: str) -> Iterator[None]:
    """Turn disk errors of the block into messages with a next step.

    Args:
        then: The command to run once the disk is fixed.

    Raises:
        StorageError: A disk or quota is full, a file or folder is read-only or not permitted, or its name is too long.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        # Of two names the second is the one that is written.
        name = error.filename2 or error.filename
        reason, fix = _REFUSALS[error.errno]
        raise StorageError(
            f"{'a file' if name is None else os.fsdecode(name)} cannot be used: {reason}",
            next=f"{fix}, then: {then} (finished work is kept)",
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` and rename it into place when the block ends well.

    A block that raises leaves the old file as it was. A process that is killed leaves only a temporary name, which
    :func:`remove_temporary` sweeps.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as NumPy and Keras choose the format by it.
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        try:
            yield temporary
            os.replace(temporary, path)  # noqa: PTH105 (atomic on every platform, unlike Path.rename on Windows)
        finally:
            temporary.unlink(missing_ok=True)  # which a read-only disk refuses, too
    except OSError as error:
        # A write that fails names no file, and a temporary name tells a person nothing.
        if error.errno is not None and str(temporary) in (error.filename2, error.filename or str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise


@contextlib.contextmanager
def hold_lock(path: Path, refusal: LockedError, *, patience: float = 0) -> Iterator[None]:
    """Hold a lock file during the block; the operating system drops it when its holder dies, however it dies.

    Args:
        path: The file.
        refusal: Raised while another process or thread holds it.
        patience: How long to wait for that, in seconds. Default: 0.

    Raises:
        LockedError: ``refusal``.
    """
    import filelock

    lock = filelock.FileLock(path, timeout=patience, poll_interval=0.01)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise refusal from None
    try:
        yield
    finally:
        lock.release()


def reserve(path: Path, size: int) -> None:
    """Make a file of at least some bytes whose place on the disk is taken, where the system can (not on macOS).

    Writers such as a memory map and HDF5 crash on a full disk; reserving the space first gives an error instead.

    Args:
        path: The file; what is in it stays.
        size: In bytes.

    Raises:
        OSError: There is no room.
    """
    # Not opened to append: where the file system takes no place of its own accord, as NFS before 4.2, the C library
    # writes zeros, and refuses to append them.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b") as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def remove_temporary(folder: Path, ending: str = "") -> int:
    """Remove what killed processes left half-written in a folder tree, and return how many files that were.

    Call it only while holding the lock of the stage that writes there.

    Args:
        folder: The tree; it may be absent.
        ending: Of the names that are meant, where others write there too.
    """
    left = [path for path in folder.rglob(f"{_TEMPORARY}*{ending}") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def keep_newest(paths: Iterable[Path], most: int, *, idle: float = 0) -> None:
    """Remove the files that were written longest ago, until those left take at most some bytes.

    The newest stays, however large it is.

    Args:
        paths: The files.
        most: In bytes.
        idle: In seconds; files written more recently stay too. Default: 0.
    """
    # Another process may be at the same.
    with contextlib.suppress(FileNotFoundError):
        files = sorted(((path.stat(), path) for path in paths), key=lambda file: file[0].st_mtime_ns, reverse=True)
        size = 0
        for place, (state, path) in enumerate(files):
            size += state.st_size
            if place and size > most and time.time() - state.st_mtime >= idle:
                path.unlink(missing_ok=True)


def target_within(path: Path, folder: Path) -> Path | None:
    """Return where a path leads, all links followed, or ``None`` if that is neither in the folder nor in DVC's cache.

    Args:
        path: What is asked for.
        folder: What people put their files into.

    Raises:
        OSError: There is nothing.
        RuntimeError: Links go round in a circle.
    """
    target = path.resolve(strict=True)
    within = target.is_relative_to(folder.resolve()) or _CACHED.fullmatch(target.as_posix())
    return target if within else None


def fresh_folder(folder: Path) -> Path:
    """Return the folder, made anew and empty."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file at once or not at all, so that it outlasts a power cut from then on."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk, where the system can (not on Windows)."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: Path, content: str) -> None:
    """Write a text file as UTF-8 with Unix line ends, at once or not at all."""
    write_bytes(path, content.encode("utf-8"))


def significant(value: Any, digits: int = 6) -> Any:
    """Return the value with every float in it rounded to significant digits.

    Last bits differ between kinds of processors; what a reviewer diffs must not. Not-a-number and infinities become
    ``None``, since JSON has no word for them. NumPy scalars become Python's own.
    """
    if isinstance(value, Mapping):
        return {str(key): significant(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [significant(item, digits) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write metrics or records as JSON that diffs well: sorted keys, six significant digits, never NaN."""
    text = json.dumps(significant(content), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_figures(
    root: Path,
    stage: str,
    *,
    headline: Mapping[str, Any],
    full: Mapping[str, Any],
    tables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a stage's figures: ``metrics/<stage>.json``, which a reviewer reads at a glance, and all of them.

    Args:
        root: The project's folder.
        stage: The stage's name.
        headline: The few in ``metrics/<stage>.json``.
        full: All figures, in ``plots/<stage>/full.json``.
        tables: The data of plots as CSV, in ``plots/<stage>/<name>.csv``, by name.
    """
    for name, table in tables.items():
        write_text(root / "plots" / stage / f"{name}.csv", table)
    write_json(root / "plots" / stage / "full.json", full)
    write_json(root / "metrics" / f"{stage}.json", headline)


def read_json(path: Path, *, stage: str) -> Any:
    """Read a JSON file that an earlier stage wrote.

    Args:
        path: The file.
        stage: The stage that writes it, named in the error.

    Raises:
        ManifestError: The file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=f"dvc repro {stage}") from None
    except (IsADirectoryError, RecursionError, ValueError) as error:
        raise ManifestError(f"{path} is not valid JSON: {error}", next=f"dvc repro -f {stage}") from None


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes, read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
