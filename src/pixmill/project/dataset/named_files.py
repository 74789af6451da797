"""Image files by the names that tables give them."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pixmill.core.errors import DataError
from pixmill.core.names import fold, to_nfc
from pixmill.core.words import first_of
from pixmill.images.formats import EXTENSIONS
from pixmill.images.listing import files_below
from pixmill.project.dataset.columns import has_label_name, to_option, to_split, words_of
from pixmill.project.dataset.table_files import Table

MAX_NAMED = 5
"""Files listed in a message."""

_ENDINGS = {*EXTENSIONS.values(), ".jpeg", ".jpe", ".jfif", ".tif", ".heif", ".jp2", ".jxl", ""}
"""Endings of files that a table may name, in lower case."""

NO_IMAGES = {"mask", "masks", "groundtruth", "annotation", "annotations", "segmentation", "segmentations"}
"""Words in the names of folders whose files are preferred only if no other has the name."""

UNLABELLED = {"unlabelled", "unlabeled"}
"""Names of folders of images without a label."""

NO_CLASSES = {"images", "image", "imgs", "img", "data", *UNLABELLED}
"""Names of folders that are no classes; those of splits are none, either."""

_UPLOAD = re.compile(r"(?:.*/)?data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?")
"""What Label Studio puts before the name of an uploaded file."""


class NamedFiles:
    """The image files of a folder, found by what tables call them.

    Args:
        top: The folder.
    """

    def __init__(self, top: Path) -> None:
        self.top = top

    @cached_property
    def names(self) -> list[str]:
        """Paths of images relative to the folder."""
        return [name for name, path in files_below(self.top) if path.suffix.lower() in _ENDINGS]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            path = PurePosixPath(fold(name))
            for key in {path.name, path.stem}:
                found[key].append(name)
        return found

    def find(self, cell: str, at: Path, *, is_loose: bool = True) -> str | None:
        """Return the file that a cell names; an empty text if several do, equally well.

        Args:
            cell: The cell.
            at: The table, whose name and folder decide between files of the same name.
            is_loose: Whether a file is taken by its name alone, if both it and the cell are in folders that differ.
        """
        text = cell.replace("\\", "/")
        if "/local-files/?d=" in text:
            text = unquote(text.partition("?d=")[2])
        text = _UPLOAD.sub("", text) if not self._by_name.get(fold(text.rpartition("/")[2])) else text
        *folders, last = [part for part in fold(text).split("/") if part not in ("", ".", "..")] or [""]
        ranks: dict[str, tuple[object, ...]] = {}
        for name in self._by_name.get(last, ()):
            *inside, _ = fold(name).split("/")
            shared = 0
            while shared < min(len(folders), len(inside)) and folders[-1 - shared] == inside[-1 - shared]:
                shared += 1
            if is_loose or shared == min(len(folders), len(inside)):
                words = {word for folder in inside for word in words_of(folder)}
                path = self.top / name
                ranks[name] = (
                    shared,
                    path.parent == at.parent.joinpath(*folders),
                    not words & NO_IMAGES,
                    len(words & words_of(at.stem)),
                )
        best = max(ranks.values(), default=None)
        names = [name for name, rank in ranks.items() if rank == best]
        return names[0] if len(names) == 1 else "" if names else None

    def check_folders(self, table: Table, roles: Mapping[str, str], chosen: Collection[str]) -> None:
        """Refuse a label column of an unknown name if the files lie in folders that may be the classes."""
        if "label" in chosen or "label" not in roles or has_label_name(table, roles["label"]):
            return
        folders = sorted({label for name in self.names if (label := folder_label(name))})
        if len(folders) > 1:
            raise DataError(
                f"the label may be the column {roles['label']} of {table.path.name}, or the folder: "
                f"{first_of(folders, MAX_NAMED)}",
                next=f"choose the column: {to_option(roles)}, or the folder: --columns label=",
            )


def folder_label(name: str) -> str | None:
    """Return the class that the folders of a path name; ``None`` if they name splits or hold all images.

    >>> folder_label("train/cat/1.jpg"), folder_label("train_images/1.jpg")
    ('cat', None)
    """
    for folder in name.split("/")[:-1]:
        if not all(word in NO_CLASSES or to_split(word) for word in words_of(folder)):
            return to_nfc(folder)
    return None
