"""The images that a person names: files, folders, patterns, URLs, or standard input."""

import codecs
import glob
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from itertools import chain
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.images import EXTENSIONS, OTHER_FORMATS, sniff
from pixmill.images.listing import files_below, path_text
from pixmill.learn.classifier import Prediction
from pixmill.learn.inference import Located

_URL = re.compile(r"https?://", re.IGNORECASE)

_MOST = 1 << 30
"""Maximum bytes of an image on standard input, as of a file."""

_HEAD = 4096
"""Bytes of standard input that show whether it is an image."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which a spreadsheet takes a text for a formula."""


class Url(str):
    """An address to fetch."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Input:
    """An image that is to be predicted.

    Args:
        name: Its path as it was written, or its URL; unlike anything that a spreadsheet takes for a formula.
        source: Where its bytes are, or the reason why there are none.
        state: Size and modification time of the file in nanoseconds, or what else tells whether it is still the same.
    """

    name: str
    source: Path | Located | Url | bytes | Prediction
    state: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class InputStream:
    """The images that a person named; each iteration lists the folders anew, as a stream.

    Args:
        words: Paths, patterns and URLs, or ``-``.
        stdin: Standard input; ``None`` if it is closed.
        ours: Resolved paths of files that are left out: the outputs.
    """

    words: Sequence[str]
    stdin: BufferedIOBase | None
    ours: Collection[str] = ()

    @cached_property
    def _names(self) -> set[str]:
        return {Path(path).name for path in self.ours}

    def __iter__(self) -> Iterator[Input]:
        for word in self.words:
            if word == "-" and self.stdin:
                yield from _from_stdin(self.stdin)
            elif _URL.match(word):
                yield _address(word)
            else:
                yield from (_file(*found) for found in self._files(word))

    def count(self) -> int | None:
        """Return the number of images; ``None`` if standard input names them."""
        if "-" in self.words:
            return None
        return sum(1 if _URL.match(word) else sum(1 for _ in self._files(word)) for word in self.words)

    def _files(self, word: str) -> Iterator[tuple[str, Path, Path | None]]:
        """Yield the name of each file that a word stands for, its path, and the folder that it was found in."""
        for path in _matches(word):
            if not path.is_dir():
                if not self._is_ours(path):
                    yield path_text(path), path, None
                continue
            prefix = "" if path == Path() else f"{path_text(path).rstrip('/')}/"
            for name, file in files_below(path):
                if not self._is_ours(file):
                    yield prefix + name, file, path

    def _is_ours(self, path: Path) -> bool:
        return path.name in self._names and os.path.realpath(path) in self.ours


def find_images(words: Sequence[str], stdin: BufferedIOBase | None, ours: Iterable[Path] = ()) -> InputStream:
    """Return the images that a person names, of which there must be some for every word.

    A folder stands for all files in it and its subfolders, except hidden ones. A pattern such as ``photos/*.jpg`` or
    ``photos/**/*.png`` is expanded here if the shell has not done so.

    Args:
        words: Paths, patterns and URLs; ``-`` reads standard input: an image, or paths and URLs,
            one a line or ended by null bytes (``find -print0``).
        stdin: Standard input; ``None`` if it is closed.
        ours: Files that are left out: the outputs, which a folder or a pattern may contain.

    Raises:
        DataError: There is no such file, a folder has none, or no file matches a pattern.
    """
    images = InputStream(words, stdin)
    for word in words:
        if word != "-" and not _URL.match(word) and next(images._files(word), None) is None:
            missing = f"no file matches '{word}'" if glob.has_magic(word) else f"{word} does not exist"
            raise DataError(
                f"no files in {word}" if word and Path(word).is_dir() else missing,
                next="name images, folders, patterns or URLs (https://…), or - for standard input",
            )
    if list(words).count("-") > 1:
        raise DataError("standard input can be read only once", next="write - a single time")
    if "-" in words and stdin is None:
        raise DataError("standard input is closed", next="name images, folders, patterns or URLs (https://…)")
    return InputStream(words, stdin, frozenset(map(os.path.realpath, ours)))


def _matches(word: str) -> Iterator[Path]:
    path = Path(word)
    if word and os.path.lexists(path):
        yield path
    elif glob.has_magic(word):
        found = map(Path, sorted(glob.iglob(word, recursive=True)))  # noqa: PTH207 (a pattern may be absolute)
        # With ** it matches a folder's files as well.
        yield from (each for each in found if "**" not in word or not each.is_dir())


def _address(text: str) -> Input:
    return Input(path_text(text), Url(text))


def _file(name: str, path: Path, folder: Path | None) -> Input:
    name = f"./{name}" if name.startswith(FORMULA) else name
    source = path if folder is None else Located(path, folder)
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a null byte
        return Input(name, source if os.path.lexists(path) else Prediction(reason="missing_file"))
    return Input(name, source, (found.st_size, found.st_mtime_ns))


def _from_stdin(stream: BufferedIOBase) -> Iterator[Input]:
    head = stream.read1(_HEAD)  # what has come so far: lines may come slowly
    if b"\0" in head and os.path.lexists(head.partition(b"\0")[0]):
        lines: Iterable[bytes] = (head + stream.read()).split(b"\0")  # of find -print0
    elif b"\0" in head or sniff(head) in EXTENSIONS | OTHER_FORMATS:
        content = head + stream.read(_MOST - len(head) + 1)
        if len(content) > _MOST:
            yield Input("-", Prediction(reason="too_many_bytes"))
        else:
            yield Input("-", content, (hashlib.sha256(content).hexdigest(),))
        return
    else:
        first = head if head.endswith(b"\n") else head + stream.readline()
        whole = first.removeprefix(codecs.BOM_UTF8).split(b"\n")
        lines = (line.strip() for line in chain(whole, stream))
    for line in map(os.fsdecode, lines):
        if _URL.match(line):
            yield _address(line)
        elif line:
            yield _file(path_text(line), Path(line), None)
