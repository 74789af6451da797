"""Where workers read files from: a folder that they see as this machine does, or the DVC remote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.compute.cluster import chosen_cluster
from pixmill.core.errors import PixmillError

__all__ = ["Address", "Stored", "addresses", "read_range"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Name an object in a DVC remote, for a worker that does not see this machine's folder.

    Args:
        storage: The remote's file system, from fsspec; it is pickled with its settings.
        path: The object, such as ``bucket/files/md5/0f/3a…``.
    """

    storage: Any
    path: str


Address = Path | Stored


def addresses(folder: Path) -> Callable[[str], Address]:
    """Return a function from a file's path within a folder to where workers read it.

    Args:
        folder: The folder, such as ``artifacts/scrape``.

    Raises:
        PixmillError: Workers on a cluster do not see the folder, and it is not in a DVC remote either.
    """
    cluster = chosen_cluster()
    if cluster is None or cluster.sees(folder):
        return folder.__truediv__
    raise PixmillError(f"the nodes of {cluster.address} do not see {folder}", next="share the folder with them")


def read_range(place: Address, start: int, size: int) -> bytes:
    """Return some bytes of a file.

    Args:
        place: The file.
        start: Index of the first byte.
        size: How many.
    """
    if isinstance(place, Stored):
        content: bytes = place.storage.cat_file(place.path, start, start + size)
        return content
    with place.open("rb") as file:
        file.seek(start)
        return file.read(size)
