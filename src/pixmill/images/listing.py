"""List the files of a folder tree lazily."""

import os
from collections.abc import Iterator
from pathlib import Path

SIDECAR = ".xmp"
"""Follows the name of an image whose keywords a photo manager, or ``predict --xmp``, writes."""


def files_below(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the files in a folder and its subfolders, sorted by path, without hidden ones.

    XMP sidecars, which photo managers write beside images, are left out as well.
    Symlinks, even to folders, are yielded and not followed. Unreadable subfolders are yielded as
    well, so opening them reports the error. Only the names in the current folder and its parents
    are in memory.

    Args:
        folder: Root folder.
        prefix: Prefix of the relative paths; default: none.

    Yields:
        The path relative to the folder, converted by :func:`path_text`, and the path.
    """
    with os.scandir(folder) as entries:
        # A trailing slash makes a folder's name sort like the paths in it.
        names = [
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
            if not (entry.name.startswith(".") or entry.name.lower().endswith(SIDECAR))
        ]
    names.sort(key=path_text)
    for name in names:
        path = folder / name
        if name.endswith("/") and os.access(path, os.R_OK | os.X_OK):
            yield from files_below(path, prefix + path_text(name))
        else:
            yield prefix + path_text(name).removesuffix("/"), path


def path_text(path: Path | str) -> str:
    """Return a path as valid UTF-8 text with slashes, the same on every system."""
    text = path.as_posix() if isinstance(path, Path) else path
    return text.encode("utf-8", "backslashreplace").decode()
