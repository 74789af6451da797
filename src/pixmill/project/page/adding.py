"""Images dropped onto the page: collected in ``.pixmill/open/``, then imported."""

import re
import shutil
import time
from pathlib import Path

from starlette.requests import Request

from pixmill.core.errors import DataError
from pixmill.core.files.writing import place_within, storage_errors
from pixmill.dataset.table_files import SUFFIXES
from pixmill.images.read_errors import reason_of
from pixmill.local.private_server import store_body
from pixmill.local.problems import ProblemError
from pixmill.project.page.jobs import Job

MAX_FILE_BYTES = 1 << 30
"""Maximum size of an uploaded file, such as an archive."""

_BATCH = re.compile(r"[0-9a-f]{32}")

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(?:^|/)\.{0,2}(?:/|$)")
"""Paths that may lead out of a folder, or whose names a log cannot show."""

_KEPT_SECONDS = 86_400
"""Age at which files that were never taken in are removed."""


class Adding:
    """Batches of uploaded files.

    Args:
        root: Project folder.
        job: Runs ``pixmill import``.
    """

    def __init__(self, root: Path, job: Job | None = None) -> None:
        self.job = job or Job(root, "pixmill import", at_end="add the images again")
        self._folder = place_within(root / ".pixmill/open/added", root)
        self._arrived: set[Path] = set()
        for left in self._folder.glob("*"):
            if time.time() - left.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)

    async def receive(self, request: Request) -> None:
        """Store the body of a request as a file of a batch; the query has its ``path``.

        Raises:
            StorageError: The disk is full, or a name is too long.
            ProblemError: The request is malformed, or the batch has another file of this name.
        """
        path = request.query_params.get("path", "")
        target = self._batch(request.path_params["batch"]) / path
        if _UNSAFE.search(path):
            raise ProblemError(400, "The file's name cannot be kept: rename it.")
        with storage_errors(then="drop the images again"):
            # Files of one name come from the results of a search.
            if target.is_dir() or self._arrived & {target, *target.parents}:
                raise ProblemError(
                    409, "Another file of this name has arrived: add this one alone."
                )
            self._arrived.add(target)
            await store_body(request, target)

    def start(self, batch: str, label: str | None) -> None:
        """Take in the files of a batch, which is removed when the import ends.

        Args:
            batch: Its id.
            label: Label of all of them; ``unlabelled``: none; ``None``: as folders, tables or an
                archive say.

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
        is_packed = is_single and (
            reason_of(first) == "archive" or first.suffix.lower() in SUFFIXES
        )
        options = [] if label is None else [f"--label={label}"]
        self.job.start(
            str(first if is_packed else folder),
            *options,
            then=lambda: shutil.rmtree(folder, ignore_errors=True),
        )

    def _batch(self, name: str) -> Path:
        if not _BATCH.fullmatch(name):
            raise ProblemError(404, "There is no such batch.")
        return self._folder / name
