"""Make the map of a session in the background, and keep it in ``.pixmill/map``."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from pixmill import __version__
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import keep_newest, replacing
from pixmill.review.grid.suggesting import Floats
from pixmill.review.map.layout import ITERATIONS
from pixmill.review.review_session import Session

_MAX_KEPT_BYTES = 50 << 20
"""Maximum size of the maps in ``.pixmill/map``, 8 bytes for an image; the oldest go first."""

_CHUNK_ROWS = 4096
"""Images whose features are read at a time."""

_PAUSE_SECONDS = 0.5
"""Time between two looks at the features that are being computed."""

_ITERATION = re.compile(rb"Iteration (\d+)")

_Stamp = tuple[int, int]
"""Number of a session, and of its images: of others, the map is another one."""


class _OutdatedError(Exception):
    """The map of other images is asked for meanwhile."""


class Map:
    """The map of the session that asked last.

    Args:
        folder: Where maps are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: _Stamp = (0, 0)
        self._state: dict[str, Any] = {}
        self.rows = list[int]()
        self.places: Floats = np.zeros((0, 2), np.float32)

    def state(self, session: Session) -> dict[str, Any]:
        """Return how far the map of a session is; begin to make it unless that has begun.

        Returns:
            ``doing``: ``hashed``, ``featured``, ``layout`` or, at the end, ``ready``; ``done`` of a
            ``total``; or why it failed, ``problem``.
        """
        stamp = (session.number, len(session.images))
        with self._lock:
            if self._stamp != stamp:
                self._stamp = stamp
                self._state = {"doing": "hashed", "done": 0, "total": 0}
                threading.Thread(target=self._run, args=(session, stamp), daemon=True).start()
            state = {"number": session.number, **self._state}
            if "problem" in state:
                self._stamp = (0, 0)  # The next page tries again.
            return state

    def _run(self, session: Session, stamp: _Stamp) -> None:
        try:
            self._make(session, stamp)
        except (PixmillError, OSError, ValueError) as error:
            self._state = {"problem": str(error)}
        except _OutdatedError:
            pass

    def _tell(self, stamp: _Stamp, doing: str, done: int = 0, total: int = 0) -> None:
        with self._lock:
            if self._stamp != stamp:
                raise _OutdatedError
            self._state = {"doing": doing, "done": done, "total": total}

    def _make(self, session: Session, stamp: _Stamp) -> None:
        images = session.images
        images.begin()
        self._wait(session, stamp, "hashed")
        named = [(name, row) for row, name in enumerate([*images.ids]) if name is not None]
        rows = [row for _, row in sorted(named) if row not in images.hidden]
        file = self._folder / f"{_key(session, rows)}.npy"
        if rows and not file.exists():
            self._wait(session, stamp, "featured")
            self._tell(stamp, "layout", 0, ITERATIONS)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lay_out(session, rows, stamp, file)
            keep_newest(self._folder.glob("[!.]*.npy"), _MAX_KEPT_BYTES)
        places = np.load(file) if rows else self.places[:0]
        with self._lock:
            self.rows = rows
            self.places = places
        self._tell(stamp, "ready")

    def _wait(self, session: Session, stamp: _Stamp, what: str) -> None:
        """Wait until all images have an id or features."""
        while True:
            now = session.images.progress()
            done = now["hashed"] if what == "hashed" else now["featured"] + now["broken"]
            if done >= now["files"]:
                return
            if what == "featured" and now["problem"]:
                raise PixmillError(now["problem"])
            self._tell(stamp, what, done, now["files"])
            time.sleep(_PAUSE_SECONDS)

    def _lay_out(self, session: Session, rows: list[int], stamp: _Stamp, file: Path) -> None:
        """Write the positions, computed in another process: sums of threads are not repeatable."""
        featured = [row for row in rows if session.images.featured[row]]
        width = session.images.features(featured[:1]).shape[1] if featured else 1
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with tempfile.TemporaryFile(dir=self._folder) as features, replacing(file) as part:
            for start in range(0, len(rows), _CHUNK_ROWS):
                found = session.images.features(rows[start : start + _CHUNK_ROWS])
                features.write(np.broadcast_to(found, (len(found), width)).tobytes())
            features.seek(0)
            command = [sys.executable, "-u", "-m", "pixmill.review.map.layout"]
            process = subprocess.Popen(  # noqa: S603 (the program is fixed)
                [*command, str(len(rows)), str(width), str(part)],
                stdin=features,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **one},
            )
            line = b""
            with process:
                for line in process.stdout or ():
                    if found_iteration := _ITERATION.search(line):
                        self._tell(stamp, "layout", int(found_iteration[1]), ITERATIONS)
            if process.returncode:
                raise PixmillError(f"the map failed: {line.decode(errors='replace').strip()}")


def _key(session: Session, rows: list[int]) -> str:
    """Return a digest of all that the map depends on: the images, and how features are computed."""
    params = session.params
    settings = [__version__, params.train.model, params.train.backbone, params.split]
    digest = hashlib.sha256(repr(settings).encode())
    digest.update("".join(str(session.images.ids[row]) for row in rows).encode())
    return digest.hexdigest()[:32]
