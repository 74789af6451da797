"""Make the map of a session in the background, and keep it in ``.pixmill/map``."""

from __future__ import annotations

import contextlib
import hashlib
import json
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
from pixmill.core.files.writing import keep_newest
from pixmill.review.grid.suggesting import Floats
from pixmill.review.map.layout import ITERATIONS, MIN_IMAGES
from pixmill.review.review_session import Session

_MAX_KEPT_BYTES = 50 << 20
"""Maximum size of the maps in ``.pixmill/map``, 8 bytes for an image; the oldest go first."""

_CHUNK_ROWS = 4096
"""Images whose features are read at a time."""

_PAUSE_SECONDS = 0.2
"""Time between two looks at the features that are being computed."""

_ITERATION = re.compile(rb"Iteration (\d+)")


class Map:
    """The map of a session with the images that it has now.

    Args:
        session: The session.
        folder: Where maps are kept.

    Attributes:
        session: As given.
        size: Number of images of the session.
        state: How far it is: ``doing`` is ``hashed``, ``network`` (it is opened), ``featured``,
            ``layout`` or, at the end, ``ready``; ``done`` of a ``total``, 0 if that is unknown; or
            why it failed, ``problem``.
        is_wanted: Whether to go on; a thread sets it to ``False`` to end another one's :meth:`run`.
        rows: Rows of the images on the map, when it is ready.
        places: Their positions, shape (n, 2), from 0 to 1; NaN without features.
    """

    def __init__(self, session: Session, folder: Path) -> None:
        self.session = session
        self.size = len(session.images)
        self.state: dict[str, Any] = {"doing": "hashed", "done": 0, "total": 0}
        self.is_wanted = True
        self.rows = list[int]()
        self.places: Floats = np.zeros((0, 2), np.float32)
        self._folder = folder

    def run(self) -> None:
        """Make it."""
        try:
            self._make()
        except Exception as error:
            self.state = {"problem": str(error) or type(error).__name__}
            if not isinstance(error, PixmillError | OSError):
                raise

    def _tell(self, doing: str, done: int = 0, total: int = 0) -> None:
        if not self.is_wanted:
            raise PixmillError("the project has changed", next="load the page again")
        self.state = {"doing": doing, "done": done, "total": total}

    def _make(self) -> None:
        images = self.session.images
        images.begin()
        self._wait("hashed", "hashed")
        named = [(name, row) for row, name in enumerate([*images.ids]) if name is not None]
        self.rows = [row for _, row in sorted(named) if row not in images.hidden]
        file = self._folder / f"{self._key()}.npy"
        if not file.exists():
            with _begin_layout() as process:
                self._wait("featured", "featured", "broken")
                self._lay_out(file, process)
            keep_newest(self._folder.glob("[!.]*.npy"), _MAX_KEPT_BYTES)
        self.places = np.load(file)
        self._tell("ready")

    def _wait(self, doing: str, *finished: str) -> None:
        """Wait until all images are in one of these numbers of the session's progress."""
        while True:
            now = self.session.images.progress()
            done = sum(now[name] for name in finished)
            if done >= now["files"]:
                return
            if doing == "featured" and now["problem"]:
                raise PixmillError(now["problem"])
            if now["opens"]:
                self._tell("network")
            else:
                self._tell(doing, done, now["files"])
            time.sleep(_PAUSE_SECONDS)

    def _lay_out(self, file: Path, process: subprocess.Popen[bytes]) -> None:
        """Write the positions, computed by another process."""
        images = self.session.images
        featured = [row for row in self.rows if images.featured[row]]
        if len(featured) < MIN_IMAGES:
            raise PixmillError(
                f"a map needs {MIN_IMAGES} images, and only {len(featured)} can be on it",
                next="add images on the project's page",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        shape = (len(self.rows), images.features(featured[:1]).shape[1])
        with tempfile.TemporaryDirectory(prefix=".", dir=self._folder) as scratch:
            source = Path(scratch, "features.npy")
            features = np.lib.format.open_memmap(source, "w+", np.float16, shape)
            for start in range(0, len(self.rows), _CHUNK_ROWS):
                chunk = slice(start, start + _CHUNK_ROWS)
                features[chunk] = images.features(self.rows[chunk])
            features.flush()
            target = Path(scratch, "places.npy")
            self._follow(process, [str(source), str(target)])
            target.replace(file)

    def _follow(self, process: subprocess.Popen[bytes], names: list[str]) -> None:
        """Hand the names of two files to the process, and tell how far it is."""
        assert process.stdin is not None
        self._tell("layout", 0, ITERATIONS)
        line = b""
        with process:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and said why
                process.stdin.write(json.dumps(names).encode())
                process.stdin.close()
            for line in process.stdout or ():
                if found := _ITERATION.search(line):
                    self._tell("layout", int(found[1]), ITERATIONS)
        if process.returncode:
            raise PixmillError(f"the map failed: {line.decode(errors='replace').strip()}")

    def _key(self) -> str:
        """Return a digest of all that the map depends on: images, and how features are computed."""
        params = self.session.params
        settings = [__version__, params.train.model, params.train.backbone, params.split]
        digest = hashlib.sha256(repr(settings).encode())
        digest.update("".join(str(self.session.images.ids[row]) for row in self.rows).encode())
        return digest.hexdigest()[:32]


def _begin_layout() -> subprocess.Popen[bytes]:
    """Start the process that lays out, which loads what it needs while features are computed.

    It has one thread: sums of several are not repeatable.
    """
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "pixmill.review.map.layout"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **one},
    )


class Maps:
    """The map of the session that asked last.

    Args:
        folder: Where maps are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last: Map | None = None

    def state(self, session: Session) -> dict[str, Any]:
        """Return how far the map of a session is; begin to make it unless that has begun.

        Returns:
            ``number`` of the session, and the content of :attr:`Map.state`.
        """
        with self._lock:
            last = self._last
            if last is None or (last.session, last.size) != (session, len(session.images)):
                if last is not None:
                    last.is_wanted = False
                last = self._last = Map(session, self._folder)
                threading.Thread(target=last.run, daemon=True).start()
            state = last.state
            if "problem" in state:
                self._last = None  # The next page tries again.
            return {"number": session.number, **state}

    def ready(self) -> Map:
        """Return the map.

        Raises:
            PixmillError: It is not ready, since the project has changed.
        """
        last = self._last
        if last is None or last.state.get("doing") != "ready":
            raise PixmillError("the project has changed", next="load the page again")
        return last
