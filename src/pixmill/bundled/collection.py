"""The collection that the bundled pictures come from: where it is found, and how it is recognised."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.errors import DataError
from pixmill.files import fresh_folder

__all__ = ["FASHION_MNIST", "Collection", "load_collection"]

Pixels = npt.NDArray[np.uint8]

_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Collection:
    """Say where a labelled collection is found and how it is recognised.

    Args:
        folder: Where the Debian package installs the gzipped IDX files.
        package: The name of that package.
        images_sha256: Digest of the training pictures' values, without the file's header.
        labels_sha256: Digest of the training labels' values, without the file's header.
        data_md5: DVC's digest of the ``data/`` that is made of them.
    """

    folder: Path
    package: str
    images_sha256: str
    labels_sha256: str
    data_md5: str


FASHION_MNIST = Collection(
    folder=Path("/usr/share/datasets/fashion-mnist"),
    package="dataset-fashion-mnist",
    images_sha256="2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    labels_sha256="657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    data_md5="0e739e28a70ac17cc391aa744c7e6da8.dir",
)


def load_collection(collection: Collection, *, scratch: Path, report: Callable[[str], None]) -> tuple[Pixels, Pixels]:
    """Return the training pictures and their labels from the first source that can be had.

    The sources, in order: Debian's package where it is installed; the same package fetched by ``apt-get`` and unpacked
    without being installed; ``keras.datasets.fashion_mnist``.

    Args:
        collection: What to load.
        scratch: A folder for what is fetched; it is left empty.
        report: Receives each line that a person should see.

    Returns:
        Grey values of shape ``(n, 28, 28)`` and label indices of shape ``(n,)``, both ``uint8``.

    Raises:
        DataError: No source can be had, or the first one holds something else.
    """
    if collection.folder.is_dir():
        source, (images, labels) = str(collection.folder), _read_folder(collection.folder)
    elif _fetch_package(collection.package, scratch / "package", report):
        source = f"Debian's {collection.package}"
        images, labels = _read_folder(scratch / "package" / "unpacked" / collection.folder.relative_to("/"))
        shutil.rmtree(scratch / "package")
    else:
        source, (images, labels) = "keras.datasets.fashion_mnist", _read_keras(report)
    for what, values, expected in (
        ("pictures", images, collection.images_sha256),
        ("labels", labels, collection.labels_sha256),
    ):
        if (found := hashlib.sha256(values.tobytes()).hexdigest()) != expected:
            raise DataError(f"the {what} of {source} are not Fashion-MNIST's: sha256 {found}, expected {expected}")
    return images, labels


def _read_folder(folder: Path) -> tuple[Pixels, Pixels]:
    return _read_idx(folder / "train-images-idx3-ubyte.gz"), _read_idx(folder / "train-labels-idx1-ubyte.gz")


def _read_idx(path: Path) -> Pixels:
    """Read a gzipped IDX file of bytes: two zeros, type 8, the number of dimensions, each as 32 bits, the values."""
    try:
        content = gzip.decompress(path.read_bytes())
        dimensions = np.frombuffer(content, ">u4", count=content[3], offset=4)
        values: Pixels = np.frombuffer(content, np.uint8, offset=4 + 4 * len(dimensions)).reshape(dimensions)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", next="reinstall the package that it belongs to") from error
    return values


def _fetch_package(package: str, place: Path, report: Callable[[str], None]) -> bool:
    """Unpack a Debian package into ``place/unpacked`` without installing it, and tell whether that went well."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        return False
    report(f"Fetching Debian's package {package} (31 MB) ...")
    fresh_folder(place)
    fetch = [apt, "-q", "download", package]
    trouble = _run(fetch, place)
    if trouble and os.name == "posix" and os.geteuid() == 0:
        report("Refreshing apt-get's lists ...")
        _run([apt, "-q", "update"], place)  # where this fails too, the second attempt says why
        trouble = _run(fetch, place)
    if not trouble:
        trouble = _run([dpkg, "-x", *(path.name for path in place.glob("*.deb")), "unpacked"], place)
    if trouble:
        report(f"apt-get cannot deliver {package}: {trouble}")
    return not trouble


def _run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return what went wrong, in one line, or nothing."""
    try:
        done = subprocess.run(  # noqa: S603 (no part of the command comes from outside)
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not done.returncode:
        return ""
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


def _read_keras(report: Callable[[str], None]) -> tuple[Pixels, Pixels]:
    report("Fetching Fashion-MNIST by keras.datasets.fashion_mnist instead (30 MB) ...")
    import keras

    try:
        (images, labels), _ = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises bare Exception where a download fails
        raise DataError(
            f"the bundled pictures cannot be fetched: {error}",
            next="apt-get install dataset-fashion-mnist, or put pictures into data/<class>/; then: make data",
        ) from error
    return images, labels
