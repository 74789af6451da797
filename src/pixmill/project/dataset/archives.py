"""Unpack archives of images: ZIP, and tar with or without compression."""

import errno
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.process.progress import Progress
from pixmill.core.words import count, first_of

ARCHIVE = re.compile(r"\.(?:zip|tar|tgz|tbz2?|txz|tar\.(?:gz|bz2|xz))$", re.IGNORECASE)
"""End of the names of archives that :func:`unpack` reads."""

_BROKEN = {None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
"""Numbers of errors that are the archive's fault: of other kinds, or an entry is a file and a folder at once."""

_MAX_RATIO, _ALWAYS_ALLOWED = 200, 10**9
"""Bytes unpacked for each byte of the archive, and bytes that are unpacked in any case: images hardly compress."""

_BLOCK = 4096
"""Bytes that an entry takes at least, so that many empty ones are limited, too."""

_MAX_NAMED = 5
_CHUNK = 2**20

_Members = Iterator[tuple[str, Callable[[], IO[bytes]] | None]]
"""Names of entries that are no folders, with a function that opens them; ``None`` for links and devices."""


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack the regular files of an archive, one after the other; archives inside it stay as they are.

    At most half of the free space is used, since DVC's cache takes as much again.

    Args:
        archive: A ZIP or tar file.
        folder: Target, emptied first.

    Returns:
        Remarks on entries left out.

    Raises:
        DataError: The archive is broken, encrypted, leads out of the folder, or unpacks to too much.
    """
    size = archive.stat().st_size
    free, allowed = shutil.disk_usage(fresh_folder(folder)).free // 2, max(_MAX_RATIO * size, _ALWAYS_ALLOWED)
    room, skipped = min(free, allowed), []
    try:
        with archive.open("rb") as raw, Progress("Unpack", size >> 20, unit="megabyte") as progress:
            for name, opened in _zip(raw) if zipfile.is_zipfile(raw) else _tar(raw):
                safe = tarfile.data_filter(tarfile.TarInfo(name.replace("\\", "/")), str(folder))
                if opened is None:
                    skipped.append(name)
                    continue
                target = folder / safe.name
                target.parent.mkdir(parents=True, exist_ok=True)
                room -= _BLOCK
                with opened() as source, target.open("wb") as copy:
                    while room >= 0 and (chunk := source.read(_CHUNK)):
                        room -= len(chunk)
                        copy.write(chunk)
                if room < 0:
                    why, fix = f"{allowed / 1e9:,.1f} GB (a decompression bomb?)", "if you trust it, unpack it"
                    if free < allowed:
                        why, fix = f"half of the free space, {free / 1e6:,.0f} MB", "free some space, or unpack it"
                    raise DataError(f"{archive} unpacks to more than {why}", next=f"{fix}, and give its folder")
                progress.advance((raw.tell() >> 20) - progress.done)
    except Exception as error:
        if isinstance(error, DataError) or getattr(error, "errno", None) not in _BROKEN:
            raise
        raise DataError(
            f"{archive} cannot be unpacked: {error or type(error).__name__}",
            next="copy or download it again; or, if you trust it, unpack it, and give its folder",
        ) from None
    what = count(len(skipped), "link or device was", "links or devices were")
    return [f"{what} left out of the archive: {first_of(skipped, _MAX_NAMED)}"] if skipped else []


def _zip(raw: IO[bytes]) -> _Members:
    try:
        archive = zipfile.ZipFile(raw, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        archive = zipfile.ZipFile(raw)  # CP437 by the standard, yet many programs write UTF-8.
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if not info.is_dir():
            is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
            yield info.filename, partial(archive.open, info) if is_file else None


def _tar(raw: IO[bytes]) -> _Members:
    raw.seek(0)
    with tarfile.open(fileobj=raw, mode="r:*") as archive:
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # They would fill the memory.
            if not info.isdir():
                yield info.name, partial(archive.extractfile, info) if info.isreg() else None  # type: ignore[misc]
        while archive.fileobj.read(_CHUNK):  # Checks the checksum at the end.
            pass
