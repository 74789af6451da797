"""The bundled images: 1,250 product photographs, identical on every machine.

They are the first 250 training images of five classes of Fashion-MNIST (MIT licence, Zalando SE):
28 by 28 grey values on black, enlarged to 112 by 112 and inverted to dark on white, like
photographs in a shop.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.core.errors import DataError
from pixmill.core.files.writing import fresh_folder
from pixmill.core.repository.dvc import dvc, folder_md5, is_data, read_record
from pixmill.dataset.uncommitted import commit_first

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

CLASSES = {"coat": 4, "dress": 3, "shirt": 6, "sneaker": 7, "trouser": 1}
"""Label indices of Fashion-MNIST by class name."""

PER_CLASS = 250
"""Images of each class, the first ones of the training set."""

DOWNLOAD_TIMEOUT_SECONDS = 600


DATA_MD5 = "0e739e28a70ac17cc391aa744c7e6da8.dir"
"""DVC's digest of the filled ``data/``."""

PACKAGE = "dataset-fashion-mnist"
"""Debian package of Fashion-MNIST."""

PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Folder of its gzipped IDX files."""


def make_data(root: Path, *, report: Callable[[str], None]) -> bool:
    """Fill ``data/`` if it is absent or empty.

    The images are written to ``.pixmill/data/``, verified by their digest and then renamed, so an
    interruption leaves no partial ``data/``.

    Args:
        root: Root of the repository.
        report: Callback for each line of progress.

    Returns:
        Whether images were written; ``False`` if ``data/`` already has files.

    Raises:
        DataError: ``data.dvc`` records other images, no source is available, or its images are
            wrong.
    """
    import filelock

    data = root / "data"
    scratch = root / ".pixmill" / "data"
    scratch.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(scratch / "lock"):
        if holds_files(data):
            report("data/ already has files; it was not changed.")
            return False
        if _recorded_md5(root) not in (None, DATA_MD5):
            raise DataError(
                f"data/ is empty, and {root / 'data.dvc'} records images other than the "
                "bundled ones",
                next=commit_first(root, "dvc pull data.dvc"),
            )
        images, labels = load_images(scratch=scratch, report=report)
        new = fresh_folder(scratch / "new")
        write_images(new, images, labels)
        if (digest := folder_md5(new)) != DATA_MD5:
            raise DataError(
                f"the bundled images have the wrong digest: expected {DATA_MD5}, received {digest}",
                next=f"check that {PACKAGE_FOLDER} holds Fashion-MNIST; if it does, report a bug",
            )
        if data.exists():
            shutil.rmtree(data)  # empty folders and litter at most
        new.rename(data)
    report(f"data/ filled: {len(CLASSES)} classes of {PER_CLASS} images.")
    return True


def commit_data(root: Path, *, report: Callable[[str], None]) -> None:
    """Add the bundled images to DVC's cache, and write ``data.dvc`` if there is none.

    Without this, ``dvc status`` of a fresh clone reports "not in cache". Other images are left
    alone.

    Args:
        root: Root of the repository, with a filled ``data/``.
        report: Callback for each line of progress.

    Raises:
        DataError: ``data.dvc`` records other images, or DVC failed.
    """
    if folder_md5(root / "data") != DATA_MD5:
        report(
            "data/ has your own images. `dvc repro` records them in data.dvc; commit it afterwards."
        )
        return
    recorded = _recorded_md5(root)
    if recorded is None:
        dvc(root, "add", "data", quiet=True)
        report("data.dvc was created: commit it.")
    elif recorded != DATA_MD5:
        raise DataError(
            f"data/ has the bundled images, but {root / 'data.dvc'} records others ({recorded})",
            next="dvc add data (records the bundled ones), "
            "or mv data data.old && dvc checkout data.dvc (restores the recorded ones)",
        )
    else:
        dvc(root, "commit", "-f", "data.dvc", quiet=True)


def missing_data(root: Path) -> str | None:
    """Return the command that restores a missing ``data/``; ``None`` if it exists.

    All stages depend on that folder: without it, DVC runs none of them.

    Args:
        root: Root of the repository.

    Raises:
        DataError: ``data.dvc`` cannot be read.
    """
    if (root / "data").exists():
        return None
    if _recorded_md5(root) in (None, DATA_MD5):
        return "pixmill demo"
    return commit_first(root, "dvc pull data.dvc")


def holds_files(data: Path) -> bool:
    """Return whether ``data/`` has files or is a link; files of file managers do not count."""
    if data.is_symlink() or data.is_file():
        return True
    return any(is_data(path) for path in data.rglob("*"))


def _recorded_md5(root: Path) -> str | None:
    record = read_record(root)
    return None if record is None else str(record["md5"])


def load_images(*, scratch: Path, report: Callable[[str], None]) -> tuple[Pixels, Pixels]:
    """Return the training images and labels from the first available source.

    The sources, in order: the installed Debian package; the package downloaded by ``apt-get`` and
    unpacked; ``keras.datasets.fashion_mnist``.

    Args:
        scratch: Folder for downloads, empty afterwards.
        report: Callback for each line of progress.

    Returns:
        Grey values of shape ``(n, 28, 28)`` and label indices of shape ``(n,)``, both ``uint8``.

    Raises:
        DataError: No source is available, or the first one is damaged.
    """
    from pixmill.images.idx import read_labelled
    from pixmill.scrape.sources.keras import load_keras

    if PACKAGE_FOLDER.is_dir():
        return read_labelled(PACKAGE_FOLDER, "train")
    if _fetch_package(scratch / "package", report):
        images, labels = read_labelled(
            scratch / "package" / "unpacked" / PACKAGE_FOLDER.relative_to("/"), "train"
        )
        shutil.rmtree(scratch / "package")
        return images, labels
    report("Downloading Fashion-MNIST with keras.datasets.fashion_mnist instead (30 MB) ...")
    return load_keras("fashion_mnist")["train"]


def _fetch_package(place: Path, report: Callable[[str], None]) -> bool:
    """Download and unpack the Debian package into ``place/unpacked``; return whether it worked."""
    apt = shutil.which("apt-get")
    dpkg = shutil.which("dpkg")
    if apt is None or dpkg is None:
        return False
    report(f"Downloading the Debian package {PACKAGE} (31 MB) ...")
    fresh_folder(place)
    fetch = [apt, "-q", "download", PACKAGE]
    error = _run(fetch, place)
    if error and os.name == "posix" and os.geteuid() == 0:
        report("Updating the package lists of apt-get ...")
        _run([apt, "-q", "update"], place)  # the second download reports the error
        error = _run(fetch, place)
    if not error:
        error = _run([dpkg, "-x", *(path.name for path in place.glob("*.deb")), "unpacked"], place)
    if error:
        report(f"apt-get could not download {PACKAGE}: {error}")
    return not error


def _run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return its error in one line; empty on success."""
    try:
        process = subprocess.run(  # noqa: S603 (no part of the command comes from outside)
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not process.returncode:
        return ""
    return (process.stderr.strip() or f"exit code {process.returncode}").splitlines()[-1]


def write_images(folder: Path, images: Pixels, labels: Pixels) -> None:
    """Write images as ``<class>/<nnnn>.png``: enlarged four times, dark on white.

    Args:
        folder: An empty folder.
        images: Grey values on black of shape ``(n, height, width)``, ``uint8``.
        labels: Label indices of shape ``(n,)``.
    """
    import numpy as np

    from pixmill.images.png import write_png

    for name, label in CLASSES.items():
        (folder / name).mkdir()
        for number, index in enumerate(np.flatnonzero(labels == label)[:PER_CLASS]):
            write_png(folder / name / f"{number:04d}.png", 255 - enlarge(images[index]))


def enlarge(pixels: Pixels) -> Pixels:
    """Enlarge a grey image four times in integer arithmetic, so that all machines agree.

    Args:
        pixels: Grey values of shape ``(height, width)``, ``uint8``.

    Returns:
        Grey values of shape ``(4 * height, 4 * width)``, ``uint8``: Catmull-Rom interpolation (E.
        Catmull and R. Rom, "A class of local interpolating splines", 1974), separable, edges
        repeated, rounded half up.
    """
    import numpy as np

    down, across = (_catmull_rom(side) for side in pixels.shape)
    total = down @ pixels.astype(np.int64) @ across.T  # each side multiplies by 1024
    larger: Pixels = np.clip((total + (1 << 19)) >> 20, 0, 255).astype(np.uint8)
    return larger


def _catmull_rom(side: int) -> npt.NDArray[np.int64]:
    """Return the interpolation matrix ``(4 * side, side)`` times 1024, which is exact."""
    import numpy as np

    matrix = np.zeros((4 * side, side), np.int64)
    for row in range(4 * side):
        left, eighths = divmod(2 * row - 3, 8)  # centre of an output row: (row + 1/2) / 4 - 1/2
        t, tt, ttt = 64 * eighths, 8 * eighths**2, eighths**3  # powers of the fraction, times 512
        weights = (-ttt + 2 * tt - t, 3 * ttt - 5 * tt + 1024, -3 * ttt + 4 * tt + t, ttt - tt)
        for column, weight in enumerate(weights, start=left - 1):
            matrix[row, min(max(column, 0), side - 1)] += weight
    return matrix
