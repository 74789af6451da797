"""The folder ``data/``: filled with the bundled pictures where it is empty, and recorded by DVC."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import yaml

from pixmill.bundled.collection import FASHION_MNIST, Collection, load_collection
from pixmill.bundled.pictures import CLASSES, PER_CLASS, write_pictures
from pixmill.errors import DataError
from pixmill.files import file_digest, fresh_folder

__all__ = ["commit_data", "folder_md5", "make_data"]

_LITTER = {".DS_Store", "Thumbs.db"}
"""Files that file managers leave; ``.dvcignore`` names them too, so a folder with only these is empty to DVC."""


def make_data(root: Path, *, report: Callable[[str], None], collection: Collection = FASHION_MNIST) -> bool:
    """Fill ``data/`` where it is absent or empty.

    The pictures are made in ``.pixmill/data/`` and renamed into place when all are there and their digest is right, so
    that a process killed at any moment leaves nothing that looks finished.

    Args:
        root: The repository's root.
        report: Receives each line that a person should see, on standard error at best.
        collection: What to fill it with; default: Fashion-MNIST.

    Returns:
        Whether pictures were made. ``False`` means that ``data/`` holds files already; they were not touched.

    Raises:
        DataError: ``data.dvc`` records other pictures, no source can be had, or a source is not what it should be.
    """
    data = root / "data"
    scratch = root / ".pixmill" / "data"
    scratch.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(scratch / "lock"):
        if _holds_files(data):
            report("data/ holds files already: left as they are.")
            return False
        if _recorded_md5(root) not in (None, collection.data_md5):
            raise DataError(
                f"data/ is empty, and {root / 'data.dvc'} records other pictures than the bundled ones",
                next="dvc pull data.dvc",
            )
        images, labels = load_collection(collection, scratch=scratch, report=report)
        made = fresh_folder(scratch / "new")
        write_pictures(made, images, labels)
        if (found := folder_md5(made)) != collection.data_md5:
            raise DataError(
                f"the bundled pictures came out wrong: their digest is {found}, expected {collection.data_md5}",
                next="report it, with the versions of Python and NumPy",
            )
        if data.exists():
            shutil.rmtree(data)  # empty folders and litter at most
        made.rename(data)
    report(f"data/ filled: {len(CLASSES)} classes of {PER_CLASS} pictures.")
    return True


def commit_data(root: Path, *, report: Callable[[str], None], collection: Collection = FASHION_MNIST) -> None:
    """Put the bundled pictures into DVC's cache, as ``data.dvc`` records them; write ``data.dvc`` where there is none.

    Without this, ``dvc status`` of a fresh clone says "not in cache". A ``data/`` that people changed is left to them.

    Args:
        root: The repository's root, with a filled ``data/``.
        report: Receives each line that a person should see.
        collection: What ``data/`` was filled with; default: Fashion-MNIST.

    Raises:
        DataError: ``data.dvc`` records other pictures than these, or DVC failed.
    """
    if folder_md5(root / "data") != collection.data_md5:
        report("data/ holds pictures of yours. `dvc repro` records them in data.dvc; then commit data.dvc.")
        return
    recorded = _recorded_md5(root)
    if recorded is None:
        _dvc(root, "add", "data")
        report("data.dvc is new: commit it.")
    elif recorded != collection.data_md5:
        raise DataError(
            f"data/ holds the bundled pictures, but {root / 'data.dvc'} records others ({recorded})",
            next="dvc pull --force data.dvc (takes the recorded ones), or dvc add data (records the bundled ones)",
        )
    else:
        _dvc(root, "commit", "-f", "data.dvc")


def folder_md5(folder: Path) -> str:
    """Return the digest by which DVC knows a folder: the MD5 of its sorted list of files and their MD5s.

    Source: ``Tree.as_bytes`` of dvc-data; caches and remotes of DVC 3 depend on it.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if _counts(path)}
    entries = [{"md5": file_digest(files[name], "md5"), "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _holds_files(data: Path) -> bool:
    """Tell whether a person's files are there, or a link to where they are."""
    if data.is_symlink() or data.is_file():
        return True
    return any(_counts(path) for path in data.rglob("*"))


def _counts(path: Path) -> bool:
    return not path.is_dir() and path.name not in _LITTER


def _recorded_md5(root: Path) -> str | None:
    """Return the digest that ``data.dvc`` records, or ``None`` where there is no such file."""
    path = root / "data.dvc"
    if not path.exists():
        return None
    try:
        return str(yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise DataError(f"{path} is not a file that DVC wrote: {error!r}", next="git checkout data.dvc") from error


def _dvc(root: Path, *arguments: str) -> None:
    """Run DVC, and show what it says only where it fails."""
    done = subprocess.run(  # noqa: S603 (no part of the command comes from outside)
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        command = " ".join(("dvc", *arguments))
        raise DataError(f"`{command}` failed: {done.stderr.strip() or done.returncode}", next=command)
