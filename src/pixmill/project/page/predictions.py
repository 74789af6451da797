"""Galleries: uploaded images with the model's answers, kept in ``.pixmill/open/``.

A gallery is a folder with the bytes of its images by id, and a journal of rows. So a killed process
loses nothing that has arrived.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import read_json, replacing, storage_errors, write_json
from pixmill.core.install.pyproject import project_name
from pixmill.core.process.progress import announce
from pixmill.dataset.inbox import Inbox
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.local.private_server import answer_json, expect_file, page_answer
from pixmill.local.problems import ProblemError
from pixmill.models.prediction_reasons import meaning
from pixmill.pages import page_head
from pixmill.project.page.actions import post_route
from pixmill.serve.predict.inputs import Input
from pixmill.serve.predict.journal import Journal
from pixmill.serve.predict.model import Model, find_model
from pixmill.serve.predict.predicting import predict, write_csv

if TYPE_CHECKING:
    from pixmill.project.page.home import Home

_MAX_BYTES = 10 << 30
"""Size of all images from which a new gallery takes the place of the oldest."""

_MAX_FILES = 100_000
_MAX_ANSWERS = 5000
"""Maximum numbers of files of a gallery, and of answers in a response."""

_IDLE_SECONDS = 1.0
"""Time for which the workers wait for another file. Until then, the last answers wait, too."""

_POLL_SECONDS = 0.05

_ABOUT = "about.json"

_SHOWN = ("path", "id", "predicted", "confidence", "sure", "unlike", "corrected")
"""Columns of a row that the page shows; ``corrected`` is the right label, or empty: none."""

_ARRIVED = (0,)
"""Mark of the row of a file without an answer. Rows of answers have the mark of their model."""

Row = dict[str, Any]


class Gallery:
    """Images of one upload. Its users hold the lock of :class:`Predictions`.

    Args:
        folder: Its folder.

    Attributes:
        expected: Number of files that the browser announced.
        files: The id of each file by path.
        model: The model that answers; ``None`` before the first answer.
        answers: What the page shows of each answer by path, in order of arrival.
        waiting: Paths that no worker has taken, in order of arrival.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.journal = Journal(folder / "rows", [])
        self.files: dict[str, str] = {row["path"]: row["id"] for row in self.journal.rows()}
        about = read_json(folder / _ABOUT, stage="")
        self.expected: int = about["expected"]
        model = about["model"]
        self._choose(model and Model(**{**model, "path": Path(model["path"])}))

    @property
    def is_complete(self) -> bool:
        """Whether all files that have arrived are answered."""
        return len(self.answers) == len(self.files)

    def begin(self, model: Model) -> None:
        """Let a model answer all files that it has not answered."""
        about = {**asdict(model), "path": str(model.path)}
        write_json(self.folder / _ABOUT, {"expected": self.expected, "model": about})
        self._choose(model)

    def add(self, path: str, name: str) -> None:
        """Add the image with this id; another one of the same path gets a longer path."""
        if self.files.get(path, name) != name:
            path = f"{path} ({name[:8]})"
        if path not in self.files:
            self.files[path] = name
            self.journal.add({"path": path, "id": name}, _ARRIVED)
            self.waiting.append(path)

    def answer(self, row: Row) -> None:
        """Keep the answer to a file: a row of ``pixmill predict``."""
        known = self.journal.get(row["path"])
        row = {**known, **row, "id": known["id"]}  # A crashed worker knows no id.
        self.journal.add(row, self._mark)
        self.answers[row["path"]] = _shown(row)

    def _choose(self, model: Model | None) -> None:
        self.model = model
        self._mark = (int(model.digest[:15], 16) if model else -1,)
        self.answers: dict[str, Row] = {}
        self.waiting = deque[str]()
        for row in self.journal.rows():
            if self.journal.has(row["path"], self._mark):
                self.answers[row["path"]] = _shown(row)
            else:
                self.waiting.append(row["path"])


def _shown(row: Row) -> Row:
    why = row["reason"] and meaning(row["reason"])
    return {"why": why, **{name: row.get(name) for name in _SHOWN}}


class Predictions:
    """The galleries of a project, and the thread that answers the files of one after another.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / ".pixmill" / "open" / "predictions"
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None
        self._fault: str | None = None
        self._removed = 0
        found = sorted(path.parent for path in self._folder.glob(f"*/{_ABOUT}"))
        self._galleries: dict[str, Gallery] = {}
        for folder in found:
            try:
                self._galleries[folder.name] = Gallery(folder)
            except (PixmillError, OSError, LookupError, TypeError) as error:
                # Of another version of Pixmill, or damaged: the page works without it.
                announce(f"note: the predictions in {folder} cannot be shown: {error}")

    def find(self, name: str) -> Path | None:
        """Return the file of an image by its id, or ``None``."""
        paths = (gallery.images / name for gallery in [*self._galleries.values()])
        return next((path for path in paths if path.is_file()), None)

    def document(self) -> Row:
        """Return the galleries, newest first, and how many were removed for room."""
        with self._lock:
            found = [
                {"name": name, "files": len(gallery.files), "expected": gallery.expected}
                for name, gallery in reversed(self._galleries.items())
            ]
        return {"galleries": found, "removed": self._removed}

    def create(self, files: int) -> Row:
        """Begin a gallery for a number of files, and return its ``name``."""
        name = f"{datetime.now().astimezone():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        folder = self._folder / name
        (folder / "images").mkdir(parents=True)
        write_json(folder / _ABOUT, {"expected": files, "model": None})
        with self._lock:
            self._make_room()
            self._galleries[name] = Gallery(folder)
        return {"name": name}

    async def receive(self, request: Request) -> None:
        """Store the body of a request as an image. The query has its ``path``, which is only text.

        Raises:
            ProblemError: There is no such gallery, or it has too many files.
            StorageError: The disk is full.
        """
        gallery = self._get(request.path_params["name"])
        path = request.query_params.get("path", "")
        if not path or len(gallery.files) >= _MAX_FILES:
            raise ProblemError(400, f"A file needs a name; {_MAX_FILES:,} files are the most.")
        digest = hashlib.sha256()
        place = gallery.images / secrets.token_hex(8)
        with storage_errors(then="add the images again"):
            with replacing(place) as temporary, temporary.open("wb") as file:
                async for part in request.stream():
                    digest.update(part)
                    file.write(part)
            place.replace(gallery.images / digest.hexdigest())
            with self._lock:
                self._get(gallery.folder.name).add(path, digest.hexdigest())
        self._start()

    def state(self, name: str, since: int) -> Row:
        """Return what the page shows: the answers after the first ``since``, and how far it is."""
        with self._lock:
            gallery = self._get(name)
            if not gallery.is_complete:
                self._start()
            model = gallery.model
            return {
                "answers": [*islice(gallery.answers.values(), since, since + _MAX_ANSWERS)],
                "answered": len(gallery.answers),
                "files": len(gallery.files),
                "expected": gallery.expected,
                "fault": self._fault,
                "model": model and {**asdict(model), "path": None, "title": model.title},
            }

    def table(self, name: str) -> Path:
        """Write the answers as CSV, as ``pixmill predict`` does, into a temporary folder."""
        with self._lock:
            gallery = self._get(name)
            rows = [gallery.journal.get(path) for path in sorted(gallery.answers)]
        if gallery.model is None:
            raise ProblemError(409, "There are no answers yet.")
        path = Path(tempfile.mkdtemp(prefix="pixmill-"), "predictions.csv")
        write_csv(path, lambda: rows, gallery.model)
        return path

    def correct(self, name: str, paths: list[str], label: str | None) -> None:
        """File images in the inbox with the right label.

        Args:
            name: Name of the gallery.
            paths: Their paths; those without a prediction are left out.
            label: The label; ``None``: none of the classes, or unknown.

        Raises:
            InboxFullError: The inbox is full.
        """
        inbox = Inbox(self._root / "inbox")
        with self._lock:
            gallery = self._get(name)
            rows = [gallery.journal.get(path) for path in paths if path in gallery.answers]
        for row in rows:
            if gallery.model is None or row["predicted"] is None:
                continue
            content = (gallery.images / row["id"]).read_bytes()
            inbox.add(
                content,
                extension=EXTENSIONS[sniff(content)],
                prediction={
                    "label": row["predicted"],
                    "confidence": row["confidence"],
                    "sure": row["sure"],
                    "unlike": row["unlike"],
                    "probabilities": {each: row[f"p_{each}"] for each in gallery.model.labels},
                },
                label=label,
                model=gallery.model.identity,
            )
            with self._lock:
                gallery.answer({**row, "corrected": label or ""})

    def delete(self, name: str) -> None:
        """Delete a gallery."""
        with self._lock:
            gallery = self._get(name)
            del self._galleries[name]
            gallery.journal.close()
        (gallery.folder / _ABOUT).unlink()  # first, so that no half of it is left to be shown
        shutil.rmtree(gallery.folder, ignore_errors=True)

    def close(self) -> None:
        """Close the journals."""
        with self._lock:
            for gallery in self._galleries.values():
                gallery.journal.close()
            self._galleries.clear()

    def _get(self, name: str) -> Gallery:
        if name not in self._galleries:
            raise ProblemError(404, "These images are not here any more.")
        return self._galleries[name]

    def _make_room(self) -> None:
        """Delete the oldest galleries until the images of all take at most the limit."""
        files = {name: [*each.images.iterdir()] for name, each in self._galleries.items()}
        size = sum(path.stat().st_size for paths in files.values() for path in paths)
        for name, paths in files.items():
            if size > _MAX_BYTES:
                size -= sum(path.stat().st_size for path in paths)
                self.delete(name)
                self._removed += 1

    def _start(self) -> None:
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="predictions", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        """Answer the files that wait, those of the newest gallery first."""
        try:
            with storage_errors(then="load the page again"):
                while (gallery := self._next()) is not None:
                    self._answer(gallery)
        except PixmillError as error:
            self._fault = f"{error.message}. {error.next or ''}"
        except Exception as error:
            self._fault = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._worker = None

    def _next(self) -> Gallery | None:
        with self._lock:
            found = [each for each in self._galleries.values() if not each.is_complete]
        return found[-1] if found else None

    def _answer(self, gallery: Gallery) -> None:
        model = find_model(None, self._root)
        self._fault = None
        with self._lock:
            gallery.begin(model)
        for row in predict(model, self._arriving(gallery)):
            with self._lock:
                if gallery not in self._galleries.values():
                    return  # It was deleted.
                gallery.answer(row)

    def _arriving(self, gallery: Gallery) -> Iterator[Input]:
        """Yield files that wait, until none has arrived for a while."""
        since = time.monotonic()
        while time.monotonic() - since < _IDLE_SECONDS:
            with self._lock:
                if gallery not in self._galleries.values():
                    return  # It was deleted.
                row = gallery.journal.get(gallery.waiting.popleft()) if gallery.waiting else None
            if row is None:
                time.sleep(_POLL_SECONDS)
            else:
                yield Input(row["path"], gallery.images / row["id"])
                since = time.monotonic()


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes of the galleries and of their data."""
    predictions = home.predictions

    def state(request: Request) -> Response:
        since = request.query_params.get("since", "")
        number = int(since) if since.isdecimal() else 0
        return answer_json(lambda: predictions.state(request.path_params["name"], number))

    def table(request: Request) -> Response:
        name = request.path_params["name"]
        path = predictions.table(name)
        done = BackgroundTask(shutil.rmtree, path.parent)
        return FileResponse(path, filename=f"predictions-{name[:15]}.csv", background=done)

    async def receive(request: Request) -> Response:
        expect_file(request)
        await predictions.receive(request)
        return answer_json(dict)

    place = "/predictions/{name}"
    head = page_head(project_name(home.root), "predictions")
    number = Annotated[int, Field(ge=1, le=_MAX_FILES)]
    return [
        Route("/predictions", lambda _: answer_json(predictions.document)),
        post_route(home, "/predictions", predictions.create, files=number),
        Route(place, page_answer("pixmill.project.page", "gallery.html", head=head)),
        Route(f"{place}/state", state),
        Route(f"{place}/table.csv", table),
        Route(f"{place}/images", receive, methods=["POST"]),
        post_route(
            home, f"{place}/correct", predictions.correct, paths=list[str], label=str | None
        ),
        post_route(home, f"{place}/delete", predictions.delete),
    ]
