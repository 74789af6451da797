"""Sort predicted images into a folder for each class, and write sidecars."""

import errno
import filecmp
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.files.writing import link_or_copy, place_within, remove_temporary
from pixmill.core.names import to_slug
from pixmill.core.process.progress import track
from pixmill.core.words import count, first_of
from pixmill.heads import Head
from pixmill.images.listing import path_text
from pixmill.serve.predict.inputs import Input, InputStream
from pixmill.serve.predict.journal import Journal
from pixmill.serve.predict.model import Model
from pixmill.serve.predict.predicting import Row
from pixmill.serve.predict.sidecars import SUFFIX, write_sidecar

_OTHERS = ("unsure", "unlike", "unreadable")
"""Folders beside those of the classes."""

_JOURNAL = ".pixmill-sorted"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of the disk; others are those of one image, such as a name that is too long."""


@dataclass
class Delivery:
    """Sort images by predicted class, and write sidecars beside the sorted ones, else the originals.

    An image keeps its path in the folder that was named. Sorted images are hard links, or copies
    where the file system refuses a link. None of them is ever replaced, moved or deleted, and none
    is sorted again, even if it was moved or deleted since: the journal in the folder knows the path
    and content of each, and what predicted it.

    Args:
        images: The images.
        model: The model that predicts.
        folder: Folder to sort them into; ``None``: they are not sorted.
        sidecars: Whether sidecars are written.
        root: Project folder; ``None`` outside of a project.

    Raises:
        DataError: The folder is a file, or what is written would become part of the project's data.
    """

    images: InputStream
    model: Model
    folder: Path | None
    sidecars: bool
    root: Path | None = None
    _sorted: Counter[str] = field(default_factory=Counter, init=False)
    _counts: Counter[str] = field(default_factory=Counter, init=False)
    _left: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.folder and self.folder.is_file():
            raise DataError(f"{self.folder} is not a folder", next="name a folder: --sort DIR")
        words = self.images.words if self.sidecars else ()
        written = [self.folder] if self.folder else map(Path, words)
        data = self.root and self.root.resolve() / "data"
        if data and any(place.resolve().is_relative_to(data) for place in written):
            problem = "sorted images and sidecars in data/ would change the data"
            raise DataError(problem, next="name a folder elsewhere: --sort DIR")

    def deliver(self, pairs: Iterable[tuple[Input, Row]]) -> None:
        """Sort images and write sidecars.

        Args:
            pairs: The images with their predictions.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        if self.sidecars:
            for word in self.images.words:
                remove_temporary(Path(word), SUFFIX)
        if self.folder is None:
            self._deliver(pairs, None)
            return
        remove_temporary(self.folder)
        place = place_within(self.folder / _JOURNAL, self.folder)
        with closing(Journal(place, [])) as journal:
            self._deliver(pairs, journal)

    def _deliver(self, pairs: Iterable[tuple[Input, Row]], journal: Journal | None) -> None:
        for image, row in track(pairs, "Deliver", self.images.count()):
            path = getattr(image.source, "path", image.source)
            if not isinstance(path, Path):
                self._left.append(f"{image.name} (a URL)")
                continue
            inner = path.relative_to(getattr(image.source, "folder", path.parent))
            answers = answers_of(row, self.model.head)
            try:
                places = (
                    [path] if journal is None else self._sort(path, inner, row, answers, journal)
                )
                if self.sidecars and row["predicted"] is not None:
                    self._write_sidecars(places, row, answers)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                self._left.append(f"{path} ({error.strerror})")
            except DataError as error:  # a link, or a place in the journal, of somebody's branch
                self._left.append(error.message)

    def _sort(
        self, image: Path, inner: Path, row: Row, answers: list[str], journal: Journal
    ) -> list[Path]:
        """Sort an image unless the folder has it; return its places if this model chose them."""
        folder = self.folder or Path()
        key = f"{row['id']} {path_text(inner)}"
        if journal.has(key):
            if journal.get(key)["model"] != self.model.key:
                self._counts["Sorted before by another model, or with other classes or shares"] += 1
                return []
            self._counts["Sorted before"] += 1
        else:
            places = [_put(image, row, folder, Path(to_slug(answer), inner)) for answer in answers]
            journal.add({"path": key, "places": places, "model": self.model.key}, ())
            self._sorted.update(answers)
        return [place_within(folder / place, folder) for place in journal.get(key)["places"]]

    def _write_sidecars(self, places: Iterable[Path], row: Row, answers: list[str]) -> None:
        # It may be moved by hand since.
        for place in filter(Path.exists, places):
            if write_sidecar(place, row, answers, self.model.digest):
                self._counts["Sidecars up to date"] += 1
            else:
                self._left.append(f"{place}{SUFFIX} (changed by people or another program)")

    def lines(self) -> list[str]:
        """Return the lines of the summary: new images by folder, counts, and what was left out."""
        lines = []
        if self.folder is not None:
            sizes = [f"{n:,} {answer}" for answer, n in self._sorted.most_common()]
            line = f"Sorted {count(self._sorted.total(), 'file')} into {self.folder}"
            lines.append(f"{line}: {first_of(sizes)}" if sizes else line)
        lines += [f"{what}: {n:,}" for what, n in self._counts.items()]
        if self._left:
            lines.append(f"Left out: {first_of(self._left, 5)}")
        return lines


def answers_of(row: Row, head: Head) -> list[str]:
    """Return the words under which an image is found, sorted.

    They are its labels that are sure, and ``unsure`` for others. An image unlike the training
    images is only ``unlike``, and a file without a prediction ``unreadable``; a class of such a
    name is ``unsure (class)``. Without a confidence threshold, no label is unsure.
    """
    unsure, unlike, unreadable = _OTHERS
    if row["predicted"] is None:
        return [unreadable]
    if row["unlike"]:
        return [unlike]
    found = set()
    for answer in head.answers_of(row["predicted"]):
        if row.get(f"sure_{answer}", row["sure"]) is False:
            found.add(unsure)
        else:
            found.add(f"{answer} (class)" if answer.lower() in _OTHERS else answer)
    return sorted(found)


def _put(image: Path, row: Row, folder: Path, name: Path) -> str:
    """Link or copy an image, unless it is there; return its place in the folder."""
    source = Path(os.path.realpath(image))
    if row["reason"] == "symlink" or not source.is_file():
        raise FileNotFoundError(errno.ENOENT, "is no regular file in what was named")
    for place in (name, name.with_stem(f"{name.stem}-{str(row['id'])[:8]}")):
        target = place_within(folder / place, folder)
        if not target.exists():
            _link(source, target)
            return str(place)
        # A killed run may have left it.
        if filecmp.cmp(source, target, shallow=False):
            return str(place)
    raise FileExistsError(errno.EEXIST, "its name is taken")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:  # of another run, just now
        raise
    except OSError:
        link_or_copy(source, target)
