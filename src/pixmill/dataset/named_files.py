"""Image files by the names that tables give them."""

import posixpath
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from pixmill.core.names import fold, to_nfc
from pixmill.dataset.layout import WRAPPERS, in_masks, role_of
from pixmill.images.formats import EXTENSIONS
from pixmill.images.listing import files_below

_ENDINGS = {*EXTENSIONS.values(), ".jpeg", ".jpe", ".jfif", ".tif", ".heif", ".jp2", ".jxl", ""}
"""Endings of files that a table may name, in lower case."""

_LABEL_STUDIO = re.compile(r".*(?:/local-files/\?d=|data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?)")
"""What Label Studio puts before the name of a file."""


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
            last = fold(posixpath.basename(name))
            stem = posixpath.splitext(last)[0]
            for key in {last, stem, _to_number(stem)}:
                found[key].append(name)
        return found

    def find(
        self, cell: str, table: Path, *, is_loose: bool = True, is_padded: bool = True
    ) -> str | None:
        """Return the file that a cell names; ``None`` if there is none, or if several fit.

        Args:
            cell: A path, with or without ending, that may begin at another root or have
                backslashes.
            table: The table; its folder and name decide between files of the same name.
            is_loose: Whether a file is taken by its name alone, if both it and the cell are in
                folders that differ.
            is_padded: Whether a number may lack the leading zeros of a file.
        """
        text = cell.replace("\\", "/")
        if not self._by_name.get(fold(posixpath.basename(text))) and (
            prefix := _LABEL_STUDIO.match(text)
        ):
            text = unquote(text[prefix.end() :])
        base = table.parent.relative_to(self.top).as_posix()
        *folders, last = fold(posixpath.normpath(posixpath.join(base, text))).split("/")
        ranks: dict[str, tuple[int, ...]] = {}
        names = self._by_name.get(last, [])
        if is_padded and not names:
            names = self._by_name.get(_to_number(last), [])
        for name in names:
            *inside, _ = fold(name).split("/")
            shared = len(posixpath.commonprefix([folders[::-1], inside[::-1]]))
            if is_loose or shared == min(len(folders), len(inside)):
                is_of_table = role_of(table.stem) in {*map(role_of, inside)} - {""}
                ranks[name] = (shared, shared - len(inside), not in_masks(inside), is_of_table)
        best = [name for name, rank in ranks.items() if rank == max(ranks.values())]
        return best[0] if len(best) == 1 else None


def _to_number(stem: str) -> str:
    """Return the key of a number without leading zeros; no file is called so.

    >>> _to_number("00120"), _to_number("0")
    ('/120', '/')
    """
    return f"/{stem.lstrip('0') if stem.isdecimal() else stem}"


def folder_label(name: str) -> str | None:
    """Return the class that the folders of a path name; ``None`` if they name none.

    >>> folder_label("train/cat/1.jpg"), folder_label("train_images/1.jpg")
    ('cat', None)
    """
    for folder in name.split("/")[:-1]:
        words = filter(None, re.split(r"[\W_\d]+", fold(folder)))
        if not all(word in WRAPPERS or word == "data" or role_of(word) for word in words):
            return to_nfc(folder).strip()
    return None
