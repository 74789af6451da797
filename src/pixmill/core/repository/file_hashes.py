"""DVC's hashes of files and folders, cached by size, modification time and inode.

DVC does not run. The cache is ``.pixmill/state/hashes.sqlite``.
"""

import contextlib
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core.files.cache import Cache
from pixmill.core.files.writing import file_digest
from pixmill.core.repository.dvc import listing_md5

_TIMEOUT_SECONDS = 2.0
"""Timeout of the cache; without it, all files are hashed again."""

_CLOCK_SECONDS = 2.0
"""Coarsest resolution of modification times: a file that is younger may change without a new time.
"""

_ALWAYS_IGNORED = (".hg/", ".git/", ".git", ".dvc/")
"""Patterns that DVC always ignores; its own list."""

Mark = tuple[int, int, int]
"""Size in bytes, modification time in nanoseconds, and inode of a file."""


class FileHashes:
    """Hashes of a project's files; each file is read at most once per object.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache = Cache(root / ".pixmill/state/hashes.sqlite", timeout=_TIMEOUT_SECONDS)
        self._known: dict[str, str | None] = {}
        self._files: dict[str, Mapping[str, Mark]] = {}

    def __enter__(self) -> "FileHashes":
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.close()

    def md5(self, path: str) -> str | None:
        """Return the MD5 of a file, or of a folder (ending in ``.dir``); ``None`` if it does not exist.

        Args:
            path: Relative to the project's folder, with slashes.
        """
        if path not in self._known:
            try:
                self._known[path] = self._hash(path)
            except FileNotFoundError:
                self._known[path] = None  # replaced meanwhile by a running stage
        return self._known[path]

    def files(self, path: str) -> Mapping[str, Mark]:
        """Return the :data:`Mark` of each file in a folder by relative path.

        Args:
            path: See :meth:`md5`.
        """
        if path not in self._files:
            self._files[path] = dict(walk(self._root / path))
        return self._files[path]

    def _hash(self, path: str) -> str | None:
        now = time.time()
        place = self._root / path
        files = self.files(path)
        is_folder = place.is_dir()
        if not (files or is_folder):
            return None
        lines = "\n".join(f"{name}\0{mark}" for name, mark in sorted(files.items()))
        whole = hashlib.sha256(
            lines.encode("utf-8", "surrogateescape") + _ignore_file(self._root)
        ).hexdigest()
        key = f"hashes\0{path}".encode()
        kept = self._cache.read([key]).get(key)
        before, md5, old = json.loads(zlib.decompress(kept)) if kept else ("", "", {})
        if before == whole:
            return str(md5)
        hashes = self._hash_files(path, is_folder=is_folder, known=old)
        # Times in the future, from another machine's clock, change with the next write.
        settled = {
            name for name, mark in files.items() if abs(now - mark[1] / 1e9) > _CLOCK_SECONDS
        }
        md5 = listing_md5(hashes) if is_folder else hashes[""]
        content = {name: (each, *files[name]) for name, each in hashes.items() if name in settled}
        document = (whole if len(settled) == len(files) else "", md5, content)
        self._cache.write({key: zlib.compress(json.dumps(document).encode(), 1)})
        return md5

    def _hash_files(
        self, path: str, *, is_folder: bool, known: Mapping[str, Sequence[Any]]
    ) -> dict[str, str]:
        """Return the MD5 of each file; that of a file with an unchanged mark is known."""
        is_ignored = ignored_by_dvc(self._root) if is_folder else lambda _: False
        hashes: dict[str, str] = {}
        for name, mark in self.files(path).items():
            if is_ignored(f"{path}/{name}"):
                continue
            md5, *then = known.get(name, ("",))
            if tuple(then) != mark:
                md5 = file_digest(self._root / path / name, "md5")
            hashes[name] = md5
        return hashes


def walk(place: Path) -> Iterator[tuple[str, Mark]]:
    """Yield the files below a folder, or a single file with an empty name; like DVC, do not follow links to folders."""
    if place.is_file():
        yield "", _mark(place.stat())
    # Unreadable folders are skipped; DVC reports them.
    for folder, _, names in os.walk(place):
        within = "" if folder == str(place) else f"{Path(folder).relative_to(place).as_posix()}/"
        for name in names:
            with contextlib.suppress(OSError):  # deleted meanwhile
                if stat.S_ISREG((state := os.stat(f"{folder}/{name}")).st_mode):  # noqa: PTH116 (twice as fast)
                    yield f"{within}{name}", _mark(state)


def ignored_by_dvc(root: Path) -> Callable[[str], bool]:
    """Return a predicate: whether DVC ignores a path, relative to the project's folder, by ``.dvcignore``.

    Args:
        root: The project's folder.
    """
    from pathspec import GitIgnoreSpec

    lines = _ignore_file(root).decode("utf-8", "replace").splitlines()
    return GitIgnoreSpec.from_lines([*_ALWAYS_IGNORED, *map(str.strip, lines)]).match_file


def _ignore_file(root: Path) -> bytes:
    path = root / ".dvcignore"
    return path.read_bytes() if path.is_file() else b""


def _mark(state: os.stat_result) -> Mark:
    return state.st_size, state.st_mtime_ns, state.st_ino
