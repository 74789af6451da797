"""Where workers read files from: a folder that they see as this machine does, or the DVC remote."""

from collections.abc import Callable
from pathlib import Path

from pixmill.compute.cluster import choose_cluster
from pixmill.compute.stored import Stored, read_stored

Address = Path | Stored


def is_shared(folder: Path) -> bool:
    """Tell whether all workers see a folder as this process does; on this machine they do."""
    cluster = choose_cluster()
    return cluster is None or cluster.sees(folder.absolute())


def addresses(folder: Path) -> Callable[[str], Address]:
    """Return a function from a file's path within a folder to where workers read it.

    That is the path itself if all workers see the folder, else the file's object in the DVC remote, by its md5 in the
    listing that DVC has of the folder: no file is read. A file that is nowhere has its path. Some 200 bytes a file are
    held.

    Args:
        folder: The folder, such as ``artifacts/scrape``.

    Raises:
        PixmillError: Workers on a cluster do not see the folder, and it is not in a DVC remote either; or, from the
            function, a file is new to DVC.
    """
    folder = folder.absolute()
    if is_shared(folder):
        return folder.__truediv__
    from pixmill.compute.remote import objects

    return objects(folder)


def read_range(place: Address, start: int = 0, size: int | None = None) -> bytes:
    """Return some bytes of a file; fewer where it ends before.

    A remote that fails, as with S3's 503, is asked again for a minute.

    Args:
        place: The file.
        start: Index of the first byte.
        size: How many; default: all that follow.

    Raises:
        OSError: The file on this disk cannot be read.
        PixmillError: A package that reads the remote is not installed.
        StorageError: The remote lacks the object, refuses it, or fails for too long.
    """
    if isinstance(place, Stored):
        return read_stored(place, start, None if size is None else start + size)
    with place.open("rb") as file:
        file.seek(start)
        return file.read(size)
