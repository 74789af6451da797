"""Disk usage of each part of a project."""

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
"""Paths of each part in the project folder."""

_ESSENTIAL = ("data/", "results")

_MAX_RATIO = 2
_MIN_BYTES = 500_000_000
"""Cleaning is suggested when the rest exceeds this many times the essential parts, and these bytes.
"""


def measure(root: Path) -> dict[str, int]:
    """Return the bytes of each part in :data:`PLACES`; files with several hard links count once.

    Args:
        root: Project folder.
    """
    seen: set[tuple[int, int]] = set()
    return {
        name: sum(size_of(root / path, seen) for path in paths) for name, paths in PLACES.items()
    }


def size_of(path: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Return the size of a file, or of all files in a folder, in bytes.

    Symbolic links are not followed. Files that disappear or cannot be read are skipped.

    Args:
        path: File or folder; may not exist.
        seen: Inodes counted so far, extended by this call; default: none.
    """
    seen = set() if seen is None else seen
    size = 0
    inner = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    for file in inner if path.is_dir() and not path.is_symlink() else [path]:
        with contextlib.suppress(OSError):
            state = file.lstat()
            if (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                size += state.st_size
    return size


def show(size: int) -> str:
    """Format a size.

    >>> show(0), show(20_000_000), show(1_340_000_000)
    ('0.0 MB', '20.0 MB', '1.3 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Return a line with the sizes, and with the command that cleans up if it is worthwhile.

    Args:
        sizes: Sizes from :func:`measure`.
    """
    parts = ", ".join(f"{name} {show(size)}" for name, size in sizes.items() if size >= 1e6)
    essential = sum(sizes[name] for name in _ESSENTIAL)
    total = sum(sizes.values())
    hint = (
        "; to clean up: pixmill clean"
        if total - essential > max(_MAX_RATIO * essential, _MIN_BYTES)
        else ""
    )
    return f"Disk: {show(total)}" + (f" ({parts})" if parts else "") + hint
