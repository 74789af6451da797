"""Input images: files, folders, patterns and URLs."""

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.words import FORMULA_PREFIXES, first_of
from pixmill.images.listing import files_below, path_text
from pixmill.models.inference import Located

_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Input:
    """An image to predict.

    Args:
        name: Path as given, or URL; never begins like a formula.
        source: The file, the bytes, or the URL as text.
    """

    name: str
    source: Path | Located | bytes | str


@dataclass(frozen=True)
class InputStream:
    """A stream of input images; each iteration lists the folders again.

    Args:
        words: Paths, patterns and URLs.
        excluded: Resolved paths of files and folders to leave out.
    """

    words: Sequence[str]
    excluded: Collection[str] = ()

    def __iter__(self) -> Iterator[Input]:
        for word in self.words:
            yield from self.inputs(word)

    def count(self) -> int:
        """Return the number of images."""
        return sum(1 for _ in self)

    def inputs(self, word: str) -> Iterator[Input]:
        """Yield the images of one path, pattern or URL."""
        if _URL.match(word):
            yield Input(path_text(word), word)
            return
        for path in _matches(word):
            if not path.is_dir():
                if not self._is_excluded(path):
                    yield _file(path_text(path), path)
                continue
            prefix = "" if path == Path() else f"{path_text(path).rstrip('/')}/"
            for name, file in files_below(path):
                if not self._is_excluded(file):
                    yield _file(prefix + name, Located(file, path))

    def _is_excluded(self, path: Path) -> bool:
        if not self.excluded:
            return False
        place = os.path.realpath(path)
        return any(place == each or place.startswith(each + os.sep) for each in self.excluded)


def find_images(words: Sequence[str], excluded: Iterable[Path] = ()) -> InputStream:
    """Return the images of paths, patterns and URLs.

    A folder yields all files in it and its subfolders, except hidden ones and XMP sidecars. A
    pattern such as ``photos/*.jpg`` or ``photos/**/*.png`` is expanded here if the shell has not
    done so.

    Args:
        words: Paths, patterns and URLs.
        excluded: Files and folders to leave out, such as outputs within an input folder.

    Raises:
        DataError: There are no words, a file does not exist, a folder has no files, no file matches
            a pattern, or all are excluded.
    """
    if not words:
        raise DataError("no images are named", next="name at least one image, folder or URL")
    images = InputStream(words)
    for word in words:
        if next(images.inputs(word), None) is None:
            missing = (
                f"no file matches '{word}'" if glob.has_magic(word) else f"{word} does not exist"
            )
            raise DataError(
                f"no files in {word}" if word and Path(word).is_dir() else missing,
                next="name images, folders, patterns or URLs (https://…)",
            )
    images = InputStream(words, frozenset(map(os.path.realpath, excluded)))
    if next(iter(images), None) is None:
        raise DataError(
            f"{first_of(words)}: all files are outputs", next="name other images, or another output"
        )
    return images


def _matches(word: str) -> Iterator[Path]:
    path = Path(word)
    if word and os.path.lexists(path):
        yield path
    elif glob.has_magic(word):
        found = map(Path, sorted(glob.iglob(word, recursive=True)))  # noqa: PTH207 (a pattern may be absolute)
        # A pattern with ** also matches the files of these folders.
        yield from (each for each in found if "**" not in word or not each.is_dir())


def _file(name: str, source: Path | Located) -> Input:
    return Input(f"./{name}" if name.startswith(FORMULA_PREFIXES) else name, source)
