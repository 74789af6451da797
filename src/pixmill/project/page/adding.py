"""Images that people drop onto the page: collected in ``.pixmill/open/``, then taken in by ``pixmill import``."""

import hashlib
import re
import shutil
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request

from pixmill.core.errors import DataError
from pixmill.core.files.writing import replacing, storage_errors
from pixmill.project.dataset.archives import ARCHIVE
from pixmill.project.dataset.table_files import SUFFIXES
from pixmill.project.page.jobs import Job
from pixmill.web.problems import ProblemError

MAX_FILE_BYTES = 100 << 20
"""Maximum size of an uploaded file."""

_BATCH = re.compile(r"[0-9a-f]{32}")

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]|^\.{1,2}$")

_MAX_NAME_BYTES, _MAX_DEPTH = 200, 16
"""Limits of a name, and of the number of folders above it, that are kept."""

_KEPT_SECONDS = 86_400
"""Age at which files that were never taken in are removed."""


class Adding:
    """Batches of uploaded files.

    Args:
        root: Project folder.
        job: Runs ``pixmill import``.
    """

    def __init__(self, root: Path, job: Job | None = None) -> None:
        self.job = job or Job(root, "pixmill import")
        self._root, self._folder = root, root / ".pixmill" / "open" / "added"
        for left in self._folder.glob("*"):
            if time.time() - left.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)

    async def receive(self, request: Request) -> dict[str, Any]:
        """Store the body of a request as a file of a batch, under a safe name.

        Raises:
            StorageError: The disk is full.
            ProblemError: The request is malformed.
        """
        target = self._batch(request.path_params["batch"]) / safe_path(request.query_params.get("path", ""))
        with storage_errors(then="drop the images again"), replacing(target) as path, path.open("wb") as file:
            async for part in request.stream():
                file.write(part)
        return {}

    def start(self, batch: str, label: str | None) -> None:
        """Take in the files of a batch, which is removed when the import ends.

        Args:
            batch: Its id.
            label: Label of all of them; ``unlabelled``: none; ``None``: as folders, tables or an archive say.

        Raises:
            DataError: No file was stored.
            LockedError: Another import runs.
        """
        folder = self._batch(batch)
        entries = [*folder.iterdir()] if folder.is_dir() else []
        if not entries:
            raise DataError("no files have arrived", next="drop the images again")
        first = entries[0]
        is_single = len(entries) == 1 and first.is_file()
        is_packed = is_single and (ARCHIVE.search(first.name) or first.suffix.lower() in SUFFIXES)
        options = [] if label is None else [f"--label={label}"]
        self.job.start(str(first if is_packed else folder), *options, then=lambda: shutil.rmtree(folder))

    def _batch(self, name: str) -> Path:
        if not _BATCH.fullmatch(name):
            raise ProblemError(404, "There is no such batch.")
        return self._folder / name


def safe_path(path: str) -> Path:
    """Return a relative path of safe names for one that a browser sent; suffixes stay."""
    return Path(*map(_safe_name, path.split("/")[-_MAX_DEPTH:]))


def _safe_name(name: str) -> str:
    suffix, given = Path(name).suffix[:10], name.encode("utf-8", "replace")
    stem = name.removesuffix(suffix).encode("utf-8", "replace")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")
    safe = _UNSAFE.sub("-", f"{stem}{suffix}")
    # Different names stay different.
    return safe if safe == name and name else f"{hashlib.sha256(given).hexdigest()[:8]}-{safe}"
