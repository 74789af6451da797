"""Unpack archives of images: ZIP, and tar with or without compression."""

import bz2
import gzip
import hashlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.process.progress import Progress
from pixmill.core.words import count, first_of

_NAMES = re.compile(r"\.(?:zip|tar|tgz|tbz2?|txz|tar\.(?:gz|bz2|xz))$", re.IGNORECASE)
_OTHERS = re.compile(r"\.(?:7z|rar|zst|lz4|tar\.\w+|gz|bz2|xz)$", re.IGNORECASE)

_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
"""Decompressors of tar archives by their first bytes."""

_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeError,
    FileExistsError, NotADirectoryError, IsADirectoryError,
)  # fmt: skip
"""Errors of broken archives, of unknown compressions, and of entries that are a file and a folder at once."""

_MAX_MEMBERS = 10_000_000

_MAX_RATIO, _ALWAYS_ALLOWED = 200, 10**9
"""Bytes unpacked for each byte of the archive, and bytes that are unpacked in any case: images hardly compress."""

_RESERVE = 10**9
"""Bytes of the disk that stay free."""

_MAX_NAME = 255
"""Bytes of a file name, a limit of file systems."""

_MAX_NAMED = 5
_CHUNK = 2**20


class _Member(NamedTuple):
    """An entry of an archive.

    ``read`` is ``None`` for links and devices; ``size`` is in bytes.
    """

    name: str
    size: int
    read: Callable[[], IO[bytes] | None] | None


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its name.

    Raises:
        DataError: It is an archive of another kind.
    """
    if _NAMES.search(path.name):
        return True
    if _OTHERS.search(path.name) and path.is_file():
        raise DataError(f"{path} is an archive of a kind that is not read", next="unpack it, and give its folder")
    return False


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack the regular files of an archive, one after the other; archives inside it stay as they are.

    Args:
        archive: A ZIP or tar file.
        folder: Target, emptied first. After an error it is removed.

    Returns:
        Remarks on entries left out.

    Raises:
        DataError: The archive is broken, encrypted, leads out of the folder, or would fill the disk.
    """
    size = archive.stat().st_size
    fresh_folder(folder)
    room = shutil.disk_usage(folder).free - _RESERVE
    done, skipped = 0, []
    try:
        with archive.open("rb") as raw, Progress("Unpack", size >> 20, unit="megabyte") as progress:
            for number, member in enumerate(_zip(raw) if zipfile.is_zipfile(raw) else _tar(raw, size)):
                target = _target(archive, folder, member.name)
                if member.read is None:
                    skipped.append(member.name)
                    continue
                done += member.size
                if done > max(_MAX_RATIO * size, _ALWAYS_ALLOWED) or number >= _MAX_MEMBERS:
                    raise _refusal(archive, "unpacks to far more than images do (a decompression bomb?)")
                if done > room:
                    raise DataError(
                        f"{archive} has at least {done / 1e9:,.1f} GB of files, for which {folder} lacks space",
                        next="free some space there, and repeat the command",
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.read() as source, target.open("wb") as copy:  # type: ignore[union-attr]
                    shutil.copyfileobj(source, copy, _CHUNK)
                progress.advance((raw.tell() >> 20) - progress.done)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, _BROKEN) or (isinstance(error, OSError) and error.errno is None):
            raise _refusal(archive, f"is broken or truncated: {error or type(error).__name__}") from None
        raise
    what = count(len(skipped), "link or device was", "links or devices were")
    return [f"{what} left out of the archive: {first_of(skipped, _MAX_NAMED)}"] if skipped else []


def _refusal(archive: Path, problem: str) -> DataError:
    return DataError(f"{archive} {problem}", next="copy or download it again; or unpack it, and give its folder")


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Return the path of a member in the folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or re.match("[A-Za-z]:", name) or not parts:
        raise DataError(
            f"{archive} has the entry {name!r}, which leads out of its folder; nothing was unpacked",
            next="get it from a source that you trust",
        )
    return folder.joinpath(*(shorten(part, _MAX_NAME) for part in parts))


def shorten(name: str, most: int) -> str:
    """Return a file name of at most ``most`` bytes; a hash replaces what is cut, and the extension stays.

    >>> shorten("a.png", 20), shorten("abcdefghijklmnopqrs.png", 20)
    ('a.png', 'abcdefg-7fa914dd.png')
    """
    if len(name.encode(errors="surrogateescape")) <= most:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
    stem, dot, ending = name.rpartition(".")
    end = f"-{digest}" + (f".{ending}" if dot and len(ending) <= 5 and ending.isascii() else "")
    return (stem or name).encode(errors="surrogateescape")[: most - len(end)].decode(errors="ignore") + end


def _zip(raw: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            if info.is_dir():
                continue
            if info.flag_bits & 0x1:
                raise DataError(f"{raw.name} is encrypted", next="unpack it, and give its folder")
            name = info.filename
            if not info.flag_bits & 0x800:  # CP437 by the standard, yet many programs write UTF-8.
                with suppress(UnicodeError):
                    name = name.encode("cp437").decode()
            kind = stat.S_IFMT(info.external_attr >> 16)
            read = None if kind not in (0, stat.S_IFREG) else lambda info=info: archive.open(info)
            yield _Member(name, info.file_size, read)


def _tar(raw: IO[bytes], size: int) -> Iterator[_Member]:
    raw.seek(0)
    start = raw.read(6)
    raw.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None and size % tarfile.BLOCKSIZE:
        raise tarfile.ReadError("not a whole number of blocks")
    with closing(raw if opener is None else opener(raw)) as stream:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # They would fill the memory.
                if not info.isdir():
                    read = None if not info.isreg() else lambda info=info: archive.extractfile(info)
                    yield _Member(info.name, info.size, read)
        while stream.read(_CHUNK):  # Checks the checksum at the end.
            pass
