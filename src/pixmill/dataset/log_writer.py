"""Write a log of predictions; :mod:`pixmill.dataset.prediction_log` says what is in its folder."""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa

from pixmill.core.cells import render_cells
from pixmill.core.errors import DataError
from pixmill.core.files.writing import keep_newest, read_if_any, write_bytes, write_text
from pixmill.core.repository.git import GitError, git
from pixmill.dataset.prediction_log import (
    ABOUT,
    IMAGES,
    SCHEMA,
    hold_log,
    read_rows,
    row_files,
    save_rows,
)
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer

MAX_BYTES = 1 << 30
"""Default maximum size of a log."""

_ROWS = 1000
"""Maximum number of rows of a file, which is written anew for each second with new rows."""

_SECONDS = 1.0

_MAX_WAITING = 64 << 20
"""Bytes of images that may wait for a slow or full disk."""

_MAX_ROWS = 30_000
"""Number of rows that may wait, of about 2 kB."""

_LOG = logging.getLogger("pixmill.serve.log")


def predicted_text(prediction: Prediction) -> str | None:
    """Return an answer as in the column ``predicted`` of evaluate."""
    if prediction.labels is None:
        return prediction.label
    return render_cells({label: True for label, has in prediction.labels.items() if has})


def _hide_from_git(folder: Path) -> None:
    """Let Git ignore all files in the folder of a log, whoever made it.

    Raises:
        DataError: Git would then ignore other files, too, or take images.
    """
    file = folder / ".gitignore"
    text = read_if_any(file)
    is_shared = text is not None and "*" not in text.splitlines()
    if text is None:
        with contextlib.suppress(GitError):  # Where Git cannot read the repository, nobody commits.
            is_shared = bool(git(folder, "ls-files"))
    if is_shared:
        raise DataError(
            f"a log has a folder of its own, which Git ignores; {folder} has other files",
            next="name another folder for the log: --log DIR",
        )
    if text is None:
        write_text(file, "*\n")


class _Entry(NamedTuple):
    """A prediction that waits."""

    about: Mapping[str, Any]
    time: datetime
    answer: Answer
    image: bytes
    shadow: Answer | None

    @property
    def key(self) -> tuple[Mapping[str, Any], str]:
        """What the rows of a file have in common: model and day."""
        return self.about, f"{self.time:%Y-%m-%d}"

    @property
    def row(self) -> dict[str, Any]:
        prediction = self.answer.prediction
        given = prediction.probabilities
        observed = self.answer.observed
        return {
            "time": self.time,
            "id": self.answer.id,
            "predicted": predicted_text(prediction),
            "confidence": prediction.confidence,
            "sure": prediction.sure,
            "unlike": prediction.unlike,
            "probabilities": None if given is None else given.tolist(),
            "reason": prediction.reason,
            "shadow": None if self.shadow is None else predicted_text(self.shadow.prediction),
            **({} if observed is None else observed._asdict()),
        }


class PredictionLog:
    """Write a log; a thread does so each second, and several processes may write to one folder.

    The oldest files are deleted once the folder is too large. What cannot be written waits in
    memory; if that takes too long, first images are lost, then rows. The caller goes on.

    Args:
        folder: The folder, created if missing.
        share: Share of the images that is logged, from 0 to 1; by a hash, so that an image that
            comes again is treated the same.
        images: Whether images are kept.
        max_bytes: Maximum size of the folder.

    Raises:
        DataError: The folder is a file, or has files that Git tracks.
        LockedError: Another process has locked the folder for long.
        OSError: The folder cannot be written.
    """

    def __init__(
        self, folder: Path, *, share: float = 1.0, images: bool = False, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._share = share
        self._images = images
        self._max_bytes = max_bytes
        self._waiting: deque[_Entry] = deque()
        self._held = 0
        self._lost = {"rows": 0, "images": 0}
        self._told = 0
        self._state = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._last = datetime.min.replace(tzinfo=UTC)
        self._key: tuple[Mapping[str, Any], str] = ({}, "")
        self._path = folder
        self._added = max_bytes
        self._problem = ""
        with hold_log(folder):  # An unusable folder is refused now.
            _hide_from_git(folder)
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        self._ended = True
        self._wake.set()
        self._thread.join()

    def takes(self, answer: Answer) -> bool:
        """Return whether a prediction belongs to the share that is logged."""
        digits = answer.id or secrets.token_hex(4)
        return int(digits[:8], 16) < self._share * 2**32

    def add(
        self,
        about: Mapping[str, Any],
        answer: Answer,
        content: Callable[[], bytes | Prediction] = lambda: b"",
        shadow: Answer | None = None,
    ) -> None:
        """Log a prediction within a second.

        Args:
            about: Identity of the model, with its ``labels`` and, if there is a second one, its
                identity as ``shadow``; ready for JSON, and not changed later.
            answer: The prediction, with measures.
            content: Returns the image's bytes, or why there are none; called if images are kept.
            shadow: The prediction of a second model.
        """
        if not self.takes(answer):
            return
        image = content() if self._images and answer.prediction.reason is None else b""
        if not isinstance(image, bytes):
            image = b""
        with self._state:
            if len(self._waiting) >= _MAX_ROWS:
                self._lost["rows"] += 1
                return
            if image and self._held >= _MAX_WAITING:
                self._lost["images"] += 1
                image = b""
            before = self._held
            self._held += len(image)
            # The clock may go back, but the rows stay in order, and names of files differ.
            self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
            self._waiting.append(_Entry(about, self._last, answer, image, shadow))
        if before < _MAX_WAITING // 2 <= self._held:
            self._wake.set()

    def _work(self) -> None:
        while not self._ended:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Write what waits; a full disk stops nobody."""
        problem = ""
        try:
            while self._waiting:
                with hold_log(self._folder):
                    self._write()
        except Exception as error:  # noqa: BLE001 (the predictions go on)
            problem = str(error)
            self._added += self._max_bytes // 100  # The log may have filled the disk.
        if problem not in ("", self._problem):
            _LOG.error("predictions wait in memory, and are lost if that lasts: %s", problem)
        self._problem = problem
        lost = sum(self._lost.values())
        if lost > self._told and (self._ended or not self._told):
            text = "lost, since the disk is slow or full: %(rows)d rows, %(images)d images"
            _LOG.error(text, self._lost)
            self._told = lost

    def _write(self) -> None:
        """Add waiting rows of one model and day to the current file, then write their images."""
        if self._added > self._max_bytes / 20:  # Listing the files takes a while.
            self._added = 0
            files = [*row_files(self._folder), *self._folder.glob(IMAGES)]
            keep_newest(files, self._max_bytes * 19 // 20)
        table = self._current(self._waiting[0])
        with self._state:  # A deque must not grow meanwhile.
            waiting = islice(self._waiting, _ROWS - len(table))
            batch = list(takewhile(lambda each: each.key == self._key, waiting))
        rows = pa.Table.from_pylist([each.row for each in batch], SCHEMA)
        about = json.dumps(self._key[0], sort_keys=True).encode()
        table = pa.concat_tables([table, rows]).replace_schema_metadata({ABOUT: about})
        save_rows(table, self._path)
        self._added += self._path.stat().st_size
        for _ in batch:
            self._waiting.popleft()
        while batch:
            self._keep_image(batch.pop())

    def _current(self, first: _Entry) -> pa.Table:
        """Return the rows of the current file, or begin another one."""
        table = SCHEMA.empty_table()
        if first.key == self._key:
            # Somebody may have deleted the file, or rows of forgotten images, or damaged it.
            with contextlib.suppress(DataError, OSError):
                table = read_rows(self._path)[1]
        if 0 < len(table) < _ROWS:
            return table
        self._key = first.key
        self._path = self._folder / first.key[1] / f"{first.time:%H%M%S.%f}-{os.getpid()}.parquet"
        return SCHEMA.empty_table()

    def _keep_image(self, entry: _Entry) -> None:
        # The file may have changed since it was predicted.
        if hashlib.sha256(entry.image).hexdigest() == entry.answer.id:
            name = entry.answer.id + EXTENSIONS[sniff(entry.image)]
            try:
                write_bytes(self._path.parent / "images" / name, entry.image)
                self._added += len(entry.image)
            except OSError:
                self._added += self._max_bytes // 100
                with self._state:
                    self._lost["images"] += 1
        with self._state:
            self._held -= len(entry.image)
