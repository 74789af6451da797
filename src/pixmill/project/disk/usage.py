"""How much of the disk each part of a project takes."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

PLACES: Mapping[str, tuple[str, ...]] = {
    "data/": ("data",),
    "results": ("artifacts", "reports", "metrics", "plots"),
    "DVC's cache": (".dvc",),
    "MLflow": ("mlruns", "mlflow.db"),
    ".pixmill/": (".pixmill",),
    "Git": (".git",),
}
"""The parts by name, and where they lie in the project's folder."""

_LIVE = ("data/", "results")

_TIMES, _LEAST = 2, 500_000_000
"""The size that all else may have before cleaning is proposed: in sizes of images and results, and in bytes."""


def measure(root: Path) -> dict[str, int]:
    """Return the size of each of :data:`PLACES` in bytes; a file with several names (hard links) counts once.

    Args:
        root: The project's folder.
    """
    seen: set[tuple[int, int]] = set()
    return {name: sum(size_of(root / path, seen) for path in paths) for name, paths in PLACES.items()}


def size_of(path: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Return the size of a file, or of all files of a folder, in bytes; symbolic links are not followed.

    What goes meanwhile, or may not be read, does not count.

    Args:
        path: It may be absent.
        seen: The files that were counted already, to which these are added. Default: none.
    """
    seen, size, folders = set() if seen is None else seen, 0, [path]
    if path.is_file() or path.is_symlink():
        return path.lstat().st_size
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry))
                    elif (state := entry.stat(follow_symlinks=False)).st_nlink < 2:
                        size += state.st_size
                    elif (state.st_dev, state.st_ino) not in seen:
                        seen.add((state.st_dev, state.st_ino))
                        size += state.st_size
    return size


def show(size: int) -> str:
    """Return a size in words.

    >>> show(0), show(20_000_000), show(1_340_000_000)
    ('0.0 MB', '20.0 MB', '1.3 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Return a line on the sizes of a project's parts, with the command that cleans where they are out of proportion.

    Args:
        sizes: As :func:`measure` returns them.
    """
    parts = ", ".join(f"{name} {show(size)}" for name, size in sizes.items() if size >= 1e6)
    live, total = sum(sizes[name] for name in _LIVE), sum(sizes.values())
    hint = "; what nothing needs: pixmill clean" if total - live > max(_TIMES * live, _LEAST) else ""
    return f"Disk: {show(total)}" + (f" ({parts})" if parts else "") + hint
