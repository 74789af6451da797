"""Atomic writes, locks, digests, and messages for disk errors."""

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

from pixmill.core.errors import DataError, LockedError, ManifestError, StorageError

_TEMPORARY = ".part-"
"""Prefix of partial files, which DVC ignores."""

_CACHED = re.compile(r".*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
"""Path of a file in DVC's cache, the target of links with ``cache.type symlink``."""

_REFUSALS = {
    errno.ENOSPC: ("the disk is full", "free some space there"),
    errno.EDQUOT: ("the disk quota is exceeded", "free some space there"),
    errno.EFBIG: ("it would exceed the file size limit", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EACCES: ("permission denied", "check its owner (ls -ld)"),
    errno.EPERM: ("permission denied", "check its owner (ls -ld)"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
}
"""Disk errors: the reason and the fix."""


@contextlib.contextmanager
def storage_errors(*, then: str) -> Iterator[None]:
    """Turn disk errors of the block into messages with a next step.

    Args:
        then: Command to run after the fix.

    Raises:
        StorageError: A disk or quota is full, a path is read-only or not permitted, or a name is
            too long.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        # With two names, the second is the target.
        name = error.filename2 or error.filename
        reason, fix = _REFUSALS[error.errno]
        raise StorageError(
            f"{'a file' if name is None else os.fsdecode(name)} cannot be used: {reason}",
            next=f"{fix}, then: {then}",
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder and rename it to ``path`` when the block succeeds.

    If the block raises, the old file stays unchanged. A killed process leaves a partial file, which
    :func:`remove_temporary` removes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keep the suffix: NumPy and Keras choose the format by it. The start of a long name gives way:
    # 50 characters of 4 bytes each leave enough of the 255 that file systems allow.
    start = f"{_TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}-"
    temporary = path.with_name(start + path.name[-50:])
    try:
        try:
            yield temporary
            os.replace(temporary, path)  # noqa: PTH105 (atomic on every platform, unlike Path.rename on Windows)
        finally:
            temporary.unlink(missing_ok=True)  # fails on a read-only disk, too
    except OSError as error:
        # Name the target: a failed write names no file, or the temporary one.
        if error.errno is not None and str(temporary) in (
            error.filename2,
            error.filename or str(temporary),
        ):
            error.filename = str(path)
            error.filename2 = None
        raise


@contextlib.contextmanager
def hold_lock(path: Path, refusal: LockedError, *, timeout: float = 0) -> Iterator[None]:
    """Hold a lock file during the block; the operating system releases it when the process dies.

    Args:
        path: The lock file.
        refusal: Raised if another process or thread holds the lock.
        timeout: Seconds to wait for the lock.

    Raises:
        LockedError: ``refusal``.
    """
    import filelock

    lock = filelock.FileLock(path, timeout=timeout, poll_interval=0.01)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise refusal from None
    try:
        yield
    finally:
        lock.release()


def reserve(path: Path, size: int) -> None:
    """Allocate disk space for a file (not on macOS); existing content stays.

    Memory maps and HDF5 crash on a full disk; allocating first raises an error instead.

    Args:
        path: The file, created if missing.
        size: Size in bytes.

    Raises:
        OSError: The disk is full.
    """
    # Not in append mode: on file systems without allocation, such as NFS before 4.2, the C library
    # writes zeros itself, and cannot append them.
    with os.fdopen(
        os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b"
    ) as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def remove_temporary(folder: Path, ending: str = "") -> int:
    """Remove partial files of killed processes in a folder tree; return their number.

    Call it only while holding the lock of the stage that writes there.

    Args:
        folder: The tree, which may be missing.
        ending: Suffix of the names to remove, if others write to the same folder.
    """
    left = [path for path in folder.rglob(f"{_TEMPORARY}*{ending}") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def keep_newest(paths: Iterable[Path], most: int, *, idle: float = 0) -> None:
    """Remove the oldest files until the rest take at most ``most`` bytes; the newest stays.

    Args:
        paths: The files.
        most: Limit in bytes.
        idle: Minimum age in seconds of files to remove.
    """
    # Another process may be removing the same files.
    with contextlib.suppress(FileNotFoundError):
        files = sorted(
            ((path.lstat(), path) for path in paths),
            key=lambda file: file[0].st_mtime_ns,
            reverse=True,
        )
        size = 0
        for place, (state, path) in enumerate(files):
            size += state.st_size
            if place and size > most and time.time() - state.st_mtime >= idle:
                path.unlink(missing_ok=True)


def target_within(path: Path, folder: Path, *, strict: bool = True) -> Path | None:
    """Resolve a path; ``None`` if it leads out of the folder and is not in DVC's cache.

    Args:
        path: The path.
        folder: The folder.
        strict: Whether it must exist.

    Raises:
        OSError: The path does not exist.
        RuntimeError: Links form a loop.
    """
    target = path.resolve(strict=strict)
    within = target.is_relative_to(folder.resolve()) or _CACHED.fullmatch(target.as_posix())
    return target if within else None


def place_within(path: Path, folder: Path) -> Path:
    """Return a path to write or delete, which may be missing.

    Names that come from uploads, archives or other people's branches may lead out of a folder, and
    their branches may have a link in its place.

    Args:
        path: The path.
        folder: The folder that it must be in; it may be a link itself.

    Raises:
        DataError: It leads out of the folder, by its name or through a link.
    """
    try:
        is_within = (
            path.name != ".."
            and path.parent.resolve().is_relative_to(folder.resolve())
            and target_within(path, folder, strict=False) is not None
        )
    except (RuntimeError, ValueError):  # a loop of links; a null byte
        is_within = False
    if not is_within:
        raise DataError(
            f"{str(path)!r} leads out of {folder}",
            next=f"remove links that lead out of {folder.name}/, then: the same command",
        )
    return path


def fresh_folder(folder: Path) -> Path:
    """Return the folder, created empty; existing content is deleted."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link atomically, or a copy where the file system refuses one.

    Args:
        source: The file.
        target: The link or copy; an existing file is replaced.
    """
    with replacing(target) as temporary:
        # Another disk, file systems without links, and on Linux files of other users refuse it.
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file atomically and flush it to disk, so that it survives a power failure."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk (not on Windows)."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: Path, content: str) -> None:
    """Write a text file atomically, as UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def significant(value: Any, digits: int = 6) -> Any:
    """Round floats in a nested value, since last bits differ between processors.

    NaN and infinities become ``None``, since JSON has no notation for them. NumPy scalars become
    Python scalars.
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


def json_text(content: Any, **options: Any) -> str:
    """Return indented JSON: six significant digits, no NaN.

    Args:
        content: Nested value.
        options: Options of :func:`json.dumps`.
    """
    return json.dumps(
        significant(content), indent=2, allow_nan=False, ensure_ascii=False, **options
    )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that diffs well: sorted keys, six significant digits, no NaN."""
    write_text(path, json_text(content, sort_keys=True) + "\n")


def write_figures(
    root: Path,
    stage: str,
    *,
    headline: Mapping[str, Any],
    full: Mapping[str, Any],
    tables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a stage's metrics and plot data.

    Args:
        root: The project's folder.
        stage: The stage's name.
        headline: Headline metrics, for ``metrics/<stage>.json``.
        full: All metrics, for ``plots/<stage>/full.json``.
        tables: Plot data as CSV by name, for ``plots/<stage>/<name>.csv``.
    """
    for name, table in tables.items():
        write_text(root / "plots" / stage / f"{name}.csv", table)
    write_json(root / "plots" / stage / "full.json", full)
    write_json(root / "metrics" / f"{stage}.json", headline)


def read_json(path: Path, *, stage: str) -> dict[str, Any]:
    """Read a JSON object of an earlier stage.

    Args:
        path: The file.
        stage: The stage that writes the file, named in errors.

    Raises:
        ManifestError: The file is missing or has no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("expected an object")
        return content
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next=f"dvc repro {stage}") from None
    except (IsADirectoryError, RecursionError, ValueError) as error:
        raise ManifestError(
            f"{path} is not as it was written: {error}", next=f"dvc repro -f {stage}"
        ) from None


def read_if_any(path: Path) -> str | None:
    """Return the text of a file, invalid UTF-8 replaced; ``None`` if there is no such file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def file_mark(path: Path) -> tuple[int, ...]:
    """Return inode, time and size, which change with a file; empty if it is missing."""
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return state.st_ino, state.st_mtime_ns, state.st_size


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
