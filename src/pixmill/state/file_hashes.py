"""The MD5 of files and folders as DVC knows them, read again only where a file's size, time or number has changed.

Neither DVC nor its lock is needed. The cache is Pixmill's own: ``.pixmill/state/hashes.sqlite``.
"""

import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pixmill.core.cache import Cache
from pixmill.core.dvc import listing_md5
from pixmill.core.files import file_digest

_PATIENCE = 2.0
"""Seconds that a write waits for another process; without the cache all is hashed anew."""

_RECENT = 2.0
"""Seconds, the coarsest clock of a file system: a file that was written so recently may change without a new time."""

_ALWAYS_IGNORED = (".hg/", ".git/", ".git", ".dvc/")
"""What DVC never looks into; its own list."""

Mark = tuple[int, int, int]
"""What a file looks like from outside: size in bytes, time of the last change in nanoseconds, and inode."""

_Files = Mapping[str, Mark]
"""What a folder's files look like from outside, by their path within; a single file has the empty path."""


class FileHashes:
    """Hashes of a project's files; each is looked at once in the life of the object.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache = Cache(root / ".pixmill" / "state" / "hashes.sqlite", patience=_PATIENCE)
        self._known: dict[str, tuple[str | None, float]] = {}
        self._files: dict[str, _Files] = {}

    def __enter__(self) -> "FileHashes":
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.close()

    def md5(self, path: str) -> str | None:
        """Return the MD5 of a file or, ending in ``.dir``, of a folder; ``None`` where there is nothing.

        A file that goes or changes meanwhile gives another MD5 than the recorded one, or none.

        Args:
            path: Relative to the project's folder, with slashes.
        """
        return self._look(path)[0]

    def changed(self, path: str) -> float:
        """Return when the newest file of a file or folder was changed, in seconds since 1970; 0 if there is none.

        Args:
            path: As for :meth:`md5`.
        """
        return self._look(path)[1]

    def files(self, path: str) -> Mapping[str, Mark]:
        """Return what the files of a folder look like from outside, by their path within; none where there is none.

        Args:
            path: As for :meth:`md5`.
        """
        if path not in self._files:
            self._files[path] = dict(walk(self._root / path))
        return self._files[path]

    def _look(self, path: str) -> tuple[str | None, float]:
        if path not in self._known:
            now, place = time.time(), self._root / path
            is_folder = place.is_dir()
            files = self.files(path) if is_folder else _file(place)
            newest = max((mark[1] for mark in files.values()), default=0) / 1e9
            try:
                md5 = self._hash(path, place, files, now, is_folder=is_folder) if files or is_folder else None
            except FileNotFoundError:
                md5 = None  # A stage that runs has replaced it meanwhile.
            self._known[path] = md5, newest
        return self._known[path]

    def _hash(self, path: str, place: Path, files: _Files, now: float, *, is_folder: bool) -> str:
        ignore = _read(self._root / ".dvcignore") if is_folder else b""
        print_, names = _fingerprint(files, ignore), (f"whole\0{path}".encode(), f"files\0{path}".encode())
        kept = self._cache.read(names[:1]).get(names[0], b"").decode()
        if kept.partition(" ")[0] == print_:
            return kept.partition(" ")[2]
        before = self._cache.read(names[1:]).get(names[1])
        old = json.loads(zlib.decompress(before)) if before else {}
        is_ignored = _matcher(ignore) if is_folder else lambda _: False
        hashes: dict[str, str] = {}
        kept_files: dict[str, tuple[str, *Mark]] = {}
        for name, mark in files.items():
            if is_ignored(f"{path}/{name}"):
                continue
            md5, *known = old.get(name, ("",))
            hashes[name] = md5 if tuple(known) == mark else file_digest(place / name, "md5")
            if not _is_recent(mark, now):
                kept_files[name] = (hashes[name], *mark)
        whole = listing_md5(hashes) if is_folder else hashes[""]
        content = {names[1]: zlib.compress(json.dumps(kept_files).encode(), 1)}
        if not any(_is_recent(mark, now) for mark in files.values()):
            content[names[0]] = f"{print_} {whole}".encode()
        self._cache.write(content)
        return whole


def _is_recent(mark: Mark, now: float) -> bool:
    # A time in the future, as of another machine's clock, changes with the next write.
    return abs(now - mark[1] / 1e9) <= _RECENT


def _file(path: Path) -> dict[str, Mark]:
    try:
        state = path.stat()
    except OSError:
        return {}
    return {"": (state.st_size, state.st_mtime_ns, state.st_ino)} if stat.S_ISREG(state.st_mode) else {}


def walk(place: Path) -> Iterator[tuple[str, Mark]]:
    """Yield the files below a folder; links to files count as these, links to folders are not followed, as by DVC."""
    folders = [("", str(place))]
    while folders:
        within, folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue  # It has gone meanwhile, or DVC will say that it may not be read.
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{within}{entry.name}/", entry.path))
                elif stat.S_ISREG((state := entry.stat()).st_mode):
                    yield f"{within}{entry.name}", (state.st_size, state.st_mtime_ns, state.st_ino)
            except OSError:
                continue


def ignored_by_dvc(root: Path) -> Callable[[str], bool]:
    """Return what tells whether DVC ignores a file, by its path from the project's folder, as ``.dvcignore`` says.

    Args:
        root: The project's folder.
    """
    return _matcher(_read(root / ".dvcignore"))


def _fingerprint(files: _Files, ignore: bytes) -> str:
    lines = [f"{name}\0{mark}" for name, mark in sorted(files.items())]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape") + ignore).hexdigest()


def _matcher(ignore: bytes) -> Callable[[str], bool]:
    """Return what tells whether DVC ignores a file by its path from the project's folder."""
    from pathspec import GitIgnoreSpec

    lines = ignore.decode("utf-8", "replace").splitlines()
    return GitIgnoreSpec.from_lines([*_ALWAYS_IGNORED, *map(str.strip, lines)]).match_file


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
