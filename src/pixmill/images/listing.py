"""List the files of a folder tree as a stream."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file in a folder and its subfolders, except hidden ones, sorted by path.

    Symlinks are listed, even to folders, and not followed. So is a subfolder that may not be read: whoever opens it
    finds out. Only the names within the folders on the way are in memory.

    Args:
        folder: The folder.

    Yields:
        The path relative to the folder, as :func:`path_text` writes it, and the path.
    """
    yield from _below(folder, "")


def path_text(path: Path | str) -> str:
    """Return a path as text that every table can hold, the same on every system."""
    text = path.as_posix() if isinstance(path, Path) else path
    return text.encode("utf-8", "backslashreplace").decode()


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        # With its slash a folder's name sorts as the paths in it do.
        names = [
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
            if not entry.name.startswith(".")
        ]
    names.sort(key=path_text)
    for name in names:
        path = folder / name
        if name.endswith("/") and os.access(path, os.R_OK | os.X_OK):
            yield from _below(path, prefix + path_text(name))
        else:
            yield prefix + path_text(name).removesuffix("/"), path
