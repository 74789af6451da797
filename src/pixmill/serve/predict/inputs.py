"""The images that a person names: files, folders, patterns and URLs."""

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.images.listing import files_below, path_text
from pixmill.models.inference import Located

_URL = re.compile(r"https?://", re.IGNORECASE)

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
        source: Where its bytes are, or these.
    """

    name: str
    source: Path | Located | Url | bytes


@dataclass(frozen=True)
class InputStream:
    """The images that a person named; each iteration lists the folders anew, as a stream.

    Args:
        words: Paths, patterns and URLs.
        ours: Resolved paths of files that are left out: the outputs.
    """

    words: Sequence[str]
    ours: Collection[str] = ()

    def __iter__(self) -> Iterator[Input]:
        for word in self.words:
            yield from self.inputs(word)

    def count(self) -> int:
        """Return the number of images."""
        return sum(1 for _ in self)

    def inputs(self, word: str) -> Iterator[Input]:
        """Yield the images that a word stands for."""
        if _URL.match(word):
            yield Input(path_text(word), Url(word))
            return
        for path in _matches(word):
            if not path.is_dir():
                if not self._is_ours(path):
                    yield _file(path_text(path), path)
                continue
            prefix = "" if path == Path() else f"{path_text(path).rstrip('/')}/"
            for name, file in files_below(path):
                if not self._is_ours(file):
                    yield _file(prefix + name, Located(file, path))

    def _is_ours(self, path: Path) -> bool:
        return bool(self.ours) and os.path.realpath(path) in self.ours


def find_images(words: Sequence[str], ours: Iterable[Path] = ()) -> InputStream:
    """Return the images that a person names, of which there must be some for every word.

    A folder stands for all files in it and its subfolders, except hidden ones. A pattern such as ``photos/*.jpg`` or
    ``photos/**/*.png`` is expanded here if the shell has not done so.

    Args:
        words: Paths, patterns and URLs.
        ours: Files that are left out: the outputs, which a folder or a pattern may contain.

    Raises:
        DataError: There is no such file, a folder has none, or no file matches a pattern.
    """
    images = InputStream(words)
    for word in words:
        if next(images.inputs(word), None) is None:
            missing = f"no file matches '{word}'" if glob.has_magic(word) else f"{word} does not exist"
            raise DataError(
                f"no files in {word}" if word and Path(word).is_dir() else missing,
                next="name images, folders, patterns or URLs (https://…)",
            )
    return InputStream(words, frozenset(map(os.path.realpath, ours)))


def _matches(word: str) -> Iterator[Path]:
    path = Path(word)
    if word and os.path.lexists(path):
        yield path
    elif glob.has_magic(word):
        found = map(Path, sorted(glob.iglob(word, recursive=True)))  # noqa: PTH207 (a pattern may be absolute)
        # With ** it matches a folder's files as well.
        yield from (each for each in found if "**" not in word or not each.is_dir())


def _file(name: str, source: Path | Located) -> Input:
    return Input(f"./{name}" if name.startswith(FORMULA) else name, source)
