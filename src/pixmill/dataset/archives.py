"""Unpack archives of images: ZIP, and tar with or without compression."""

import errno
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.process.progress import Progress
from pixmill.core.words import count, first_of

_BROKEN = {None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
"""Numbers of errors that are the archive's fault, such as a name that is too long."""

_MAX_RATIO = 200
_ALWAYS_ALLOWED = 10**9
"""Bytes that are unpacked for each byte of the archive, and in any case: images hardly compress."""

_BLOCK = 4096
"""Bytes that an entry takes at least, so that many empty ones are limited, too."""

_DOCUMENT = {"[Content_Types].xml", "META-INF/manifest.xml"}
"""Entries by which ZIP files of office programs are known."""

_COMMAND = re.compile(r"`|\$\(")
"""Parts of names that a shell runs; those of folders would become classes, which people type."""

_DRIVE = re.compile(r"^[A-Za-z]:/*")
"""Beginning of an absolute path on Windows."""

_JAPANESE = "names in the archive are read as Japanese (cp932)"
"""Remark on names in the encoding of Windows in Japan."""

_LINES = re.compile(r"[\u0370-\u03ff\u2500-\u259f]")
"""Signs in names of other encodings that are read as CP437."""

_UNKNOWN = "names in the archive are in an unknown encoding: unzip -O ENCODING, and give the folder"

_NO_JAPANESE = re.compile(
    r"[\x80-\xa0\u0370-\u04ff\u2500-\u257f\ue000-\uf8ff\uff61-\uff9f]"
    r"|[^\x00-\x7f][A-Za-z]|([a-z]|[A-Z]{2})[^\x00-\x7f]"
)
"""Parts of names that are wrongly read as Japanese: characters of other scripts, lines, and
katakana of half the width, which stand for bytes of Chinese; and words that go on in Latin letters.
"""

_Members = Iterator[tuple[str, Callable[[], IO[bytes]] | None]]
"""Names of entries but folders, with a function that opens them; ``None`` for links and devices."""


class Room:
    """Bytes that may be unpacked: half of the free space, as DVC's cache takes the same; no bomb.

    Args:
        packed: The file to unpack.
        folder: The target.
    """

    def __init__(self, packed: Path, folder: Path) -> None:
        self._packed = packed
        self._free = shutil.disk_usage(folder).free // 2
        self._allowed = max(_MAX_RATIO * packed.stat().st_size, _ALWAYS_ALLOWED)
        self._left = min(self._free, self._allowed)

    def take(self, size: int) -> None:
        """Count a file or entry of so many bytes, before it is unpacked.

        Raises:
            DataError: There is not so much room.
        """
        self._left -= max(size, _BLOCK)
        if self._left < 0:
            why = f"{self._allowed / 1e9:,.1f} GB (a decompression bomb?)"
            fix = "if you trust it, unpack it"
            if self._free < self._allowed:
                why = f"half of the free space, {self._free / 1e6:,.0f} MB"
                fix = "free some space, or unpack it"
            raise DataError(
                f"{self._packed} unpacks to more than {why}", next=f"{fix}, and give its folder"
            )


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack the regular files of an archive; archives inside it stay as they are.

    Args:
        archive: A ZIP or tar file.
        folder: Target, emptied first.

    Returns:
        Remarks on entries left out, and on the encoding of names.

    Raises:
        DataError: The archive is broken, encrypted, leads out of the folder, or unpacks to too
            much.
    """
    room = Room(archive, fresh_folder(folder))
    skipped = list[str]()
    remarks = list[str]()
    try:
        with (
            archive.open("rb") as raw,
            Progress("Unpack", archive.stat().st_size >> 20, unit="megabyte") as progress,
        ):
            is_zip = zipfile.is_zipfile(raw)
            for name, opened in _zip(raw, room, remarks) if is_zip else _tar(raw, room):
                if opened is None or _COMMAND.search(name):
                    skipped.append(name)
                    continue
                path = _DRIVE.sub("", name.replace("\\", "/"))
                target = folder / tarfile.data_filter(tarfile.TarInfo(path), str(folder)).name
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened() as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                progress.advance((raw.tell() >> 20) - progress.done)
    except Exception as error:
        if isinstance(error, DataError) or getattr(error, "errno", None) not in _BROKEN:
            raise
        fix = "copy or download it again; or, if you trust it, unpack it, and give its folder"
        raise DataError(
            f"{archive} cannot be unpacked: {error or type(error).__name__}", next=fix
        ) from None
    what = count(
        len(skipped),
        "link, device or name with a command was",
        "links, devices or names with commands were",
    )
    if skipped:
        remarks.append(f"{what} left out of the archive: {first_of(skipped, 5)}")
    return remarks


def _zip(raw: IO[bytes], room: Room, remarks: list[str]) -> _Members:
    archive, remark = _open_zip(raw)
    remarks += filter(None, [remark])
    if _DOCUMENT & {*archive.namelist()}:
        problem = f"{raw.name} is a document of an office program, not an archive of images"
        raise DataError(
            problem, next="if it has a table of labels, save that as CSV, and give the CSV"
        )
    for info in archive.infolist():
        room.take(info.file_size)  # More is not read.
        if not info.is_dir():
            is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
            yield info.filename, partial(archive.open, info) if is_file else None


def _open_zip(raw: IO[bytes]) -> tuple[zipfile.ZipFile, str]:
    """Return a ZIP, and a remark if the encoding of its names is guessed or unknown.

    It is CP437 by the standard, yet many programs write UTF-8.

    Windows writes that of its language, of which Japanese is recognised. Of several classes, the
    names have several signs that are not ASCII; one alone may be the O of a German "Öl".
    """
    with suppress(UnicodeDecodeError):
        return zipfile.ZipFile(raw, metadata_encoding="utf-8"), ""
    with suppress(UnicodeDecodeError):
        archive = zipfile.ZipFile(raw, metadata_encoding="cp932")
        names = "\n".join(archive.namelist())
        has_signs = len({*re.sub(r"[\x00-\x7f]", "", names)}) > 1
        if has_signs and not _NO_JAPANESE.search(names):
            return archive, _JAPANESE
    archive = zipfile.ZipFile(raw)
    return archive, _UNKNOWN if _LINES.search("".join(archive.namelist())) else ""


def _tar(raw: IO[bytes], room: Room) -> _Members:
    raw.seek(0)
    before = 0
    with tarfile.open(fileobj=raw, mode="r:*") as archive:
        for info in archive:
            room.take(info.size + info.offset_data - before)  # Headers may be long, too.
            before = archive.offset
            if not info.isdir():
                yield info.name, partial(archive.extractfile, info) if info.isreg() else None  # type: ignore[misc]
        while archive.fileobj.read(_BLOCK):  # Padding; its end has the checksum.
            room.take(_BLOCK)
